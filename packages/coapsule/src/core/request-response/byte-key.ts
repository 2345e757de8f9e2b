/**
 * Byte strings as text, one character a byte, to be used as keys of a `Map`.
 *
 * The text is flat: built by adding one character after the other it would be a tree with a node of 32 bytes
 * for each, which a `Map` keeps as it is.
 *
 * @module
 */

/** One character of U+0000 … U+00FF for each byte; different bytes give different text. */
export function byteKey(bytes: Uint8Array): string {
  if (bytes.length <= flatLength) {
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    return text;
  }
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; i += charactersAtOnce) {
    parts.push(Reflect.apply(String.fromCharCode, undefined, bytes.subarray(i, i + charactersAtOnce)));
  }
  return parts.join('');
}

/** Text as short as a token is copied when something is added, which is the fastest. */
const flatLength = 8;
/** Arguments of one call, well below what an engine takes. */
const charactersAtOnce = 4096;
