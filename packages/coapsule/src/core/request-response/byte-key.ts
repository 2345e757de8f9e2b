/**
 * Byte strings as text, one character a byte, to be used as keys of a `Map`.
 *
 * @module
 */

/** One character of U+0000 … U+00FF for each byte; different bytes give different text. */
export function byteKey(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i] as number);
  return text;
}
