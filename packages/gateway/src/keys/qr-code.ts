/**
 * QR codes (ISO/IEC 18004) as text for a terminal and as SVG: dark on light, with the margin of four modules that readers need.
 *
 * @module
 */

import { encode, renderSVG } from 'uqr';

/** Medium: a sticker may lose 15 % of its codewords. */
const correction = { ecc: 'M', border: 4 } as const;

/**
 * Two rows of modules a line.
 *
 * @param colours Paints black on white, so that it can be read on every terminal; without, a dark background is taken for granted.
 */
export function qrText(content: string, colours: boolean): string {
  const { data, size } = encode(content, correction);
  const isDark = (row: number, column: number): boolean => data[row]?.[column] ?? false;
  // Without colours what is drawn is light.
  const draws = (row: number, column: number): boolean => isDark(row, column) === colours;
  const glyph = (row: number, column: number): string =>
    ([' ', '▄', '▀', '█'] as const)[(draws(row, column) ? 2 : 0) + (draws(row + 1, column) ? 1 : 0)] ?? ' ';
  const rows = Array.from({ length: Math.ceil(size / 2) }, (_, line) =>
    Array.from({ length: size }, (_, column) => glyph(2 * line, column)).join(''),
  );
  return rows.map((row) => (colours ? `\u001b[30;107m${row}\u001b[0m\n` : `${row}\n`)).join('');
}

/** A picture to print. */
export function qrSvg(content: string): string {
  return `${renderSVG(content, correction)}\n`;
}
