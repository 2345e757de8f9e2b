/**
 * `-vvv`: the bytes of each message, before encryption or after decryption.
 *
 * @module
 */

import { hexText } from './option-values.ts';

/** Rows of 16 bytes: offset, hexadecimal digits, printable ASCII. */
export function byteRows(bytes: Uint8Array): string[] {
  const rows: string[] = [];
  for (let offset = 0; offset < bytes.length; offset += 16) {
    const row = bytes.subarray(offset, offset + 16);
    const digits = hexText(row).replace(/../g, '$& ').padEnd(48);
    const text = Array.from(row, (byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
    ).join('');
    rows.push(`    ${offset.toString(16).padStart(4, '0')}  ${digits} ${text}`);
  }
  return rows;
}
