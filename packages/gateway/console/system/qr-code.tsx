/**
 * A QR code, drawn. The encoder comes when the first one is shown.
 *
 * @module
 */

import { useImported } from '../parts/imported.ts';

/** Black on white in every theme: scanners want it so. */
export function QrCode({ text, label }: { readonly text: string; readonly label: string }) {
  const encoder = useImported(uqr);
  if (encoder === undefined) return null;
  const cells = encoder.encode(text, { border: 2 }).data;
  const { length } = cells;
  const path = cells.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : [])));
  return (
    <svg class="qr" viewBox={`0 0 ${length} ${length}`} role="img" aria-label={label}>
      <path d={path.join('')} fill="#000" />
    </svg>
  );
}

const uqr = () => import('uqr');
