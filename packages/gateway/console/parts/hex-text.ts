/**
 * Bytes written as hexadecimal digits, with or without space between. Pure functions.
 *
 * @module
 */

/** The bytes; `undefined` where the text is no such thing. */
export function fromHex(text: string): Uint8Array | undefined {
  const digits = text.replace(/[\s:]+/g, '').replace(/^0x/i, '');
  if (digits.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(digits)) return undefined;
  return Uint8Array.from({ length: digits.length / 2 }, (_, at) =>
    Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16),
  );
}

/** The digits, lower case, with what is wanted between the bytes. */
export function toHex(bytes: Uint8Array, separator = ''): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(separator);
}
