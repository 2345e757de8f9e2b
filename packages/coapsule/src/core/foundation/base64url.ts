/**
 * Base64 with the URL-safe alphabet and without padding.
 *
 * RFC 4648 §5. The decoder is strict: no padding, no white space, no bits left over (§3.5).
 *
 * @module
 */

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Four letters for each three bytes. */
export function encodeBase64Url(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = Math.min(bytes.length - i, 3);
    const bits = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    for (let letter = 0; letter <= left; letter++) text += alphabet.charAt((bits >> (18 - 6 * letter)) & 63);
  }
  return text;
}

/** The bytes of a text, or `undefined` when it is not exactly what `encodeBase64Url` writes. */
export function decodeBase64Url(text: string): Uint8Array | undefined {
  if (text.length % 4 === 1 || /[^A-Za-z0-9_-]/.test(text)) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let count = 0;
  let length = 0;
  for (const letter of text) {
    bits = ((bits << 6) | alphabet.indexOf(letter)) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes[length++] = bits >> count;
  }
  return (bits & ((1 << count) - 1)) === 0 ? bytes : undefined;
}
