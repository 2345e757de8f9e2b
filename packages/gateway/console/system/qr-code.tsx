/**
 * A QR code, drawn. The encoder comes when the first one is shown.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

/** Black on white in every theme: scanners want it so. */
export function QrCode({ text, label }: { readonly text: string; readonly label: string }) {
  const cells = useSignal<readonly (readonly boolean[])[]>([]);
  useEffect(() => {
    let isGone = false;
    import('uqr').then(({ encode }) => {
      if (!isGone) cells.value = encode(text, { border: 2 }).data;
    });
    return () => {
      isGone = true;
    };
  }, [text, cells]);
  const { length } = cells.value;
  if (length === 0) return null;
  const path = cells.value.flatMap((row, y) =>
    row.flatMap((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : [])),
  );
  return (
    <svg class="qr" viewBox={`0 0 ${length} ${length}`} role="img" aria-label={label}>
      <path d={path.join('')} fill="#000" />
    </svg>
  );
}
