/**
 * Strict UTF-8 (RFC 3629) without `TextEncoder` or `TextDecoder`, which are not part of the language.
 * The decoder refuses overlong forms, surrogates and code points above U+10FFFF.
 *
 * @module
 */

/** The UTF-8 bytes of `text`; an unpaired surrogate becomes U+FFFD (EF BF BD). */
export function encodeUtf8(text: string): Uint8Array {
  return encodeAscii(text) ?? encodeAny(text);
}

/** Most text is: then a byte stands for each character, and nothing is cut off in the end. */
function encodeAscii(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const point = text.charCodeAt(i);
    if (point >= 0x80) return undefined;
    bytes[i] = point;
  }
  return bytes;
}

function encodeAny(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    let point = text.charCodeAt(i);
    if (point >= 0xd800 && point <= 0xdfff) {
      const low = point < 0xdc00 ? text.charCodeAt(i + 1) : Number.NaN;
      if (low >= 0xdc00 && low <= 0xdfff) {
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        i++;
      } else {
        point = 0xfffd;
      }
    }
    if (point < 0x80) {
      bytes[length++] = point;
    } else if (point < 0x800) {
      bytes[length++] = 0xc0 | (point >> 6);
      bytes[length++] = 0x80 | (point & 63);
    } else if (point < 0x10000) {
      bytes[length++] = 0xe0 | (point >> 12);
      bytes[length++] = 0x80 | ((point >> 6) & 63);
      bytes[length++] = 0x80 | (point & 63);
    } else {
      bytes[length++] = 0xf0 | (point >> 18);
      bytes[length++] = 0x80 | ((point >> 12) & 63);
      bytes[length++] = 0x80 | ((point >> 6) & 63);
      bytes[length++] = 0x80 | (point & 63);
    }
  }
  return bytes.slice(0, length);
}

/**
 * The text of UTF-8 bytes, or `undefined` when they are not well-formed (RFC 3629 §4).
 *
 * @param bytes Hold it, from `start` to `end`; all of them by default.
 */
export function decodeUtf8(bytes: Uint8Array, start = 0, end: number = bytes.length): string | undefined {
  let text = '';
  let i = start;
  while (i < end) {
    const first = bytes[i++] as number;
    if (first < 0x80) {
      text += String.fromCharCode(first);
      continue;
    }
    let following: number;
    let lowest: number;
    let point: number;
    if (first >= 0xc2 && first <= 0xdf) {
      following = 1;
      lowest = 0x80;
      point = first & 0x1f;
    } else if (first >= 0xe0 && first <= 0xef) {
      following = 2;
      lowest = 0x800;
      point = first & 0x0f;
    } else if (first >= 0xf0 && first <= 0xf4) {
      following = 3;
      lowest = 0x10000;
      point = first & 0x07;
    } else {
      return undefined;
    }
    for (; following > 0; following--) {
      const next = i < end ? (bytes[i++] as number) : 0;
      if (next >> 6 !== 2) return undefined;
      point = (point << 6) | (next & 63);
    }
    if (point < lowest || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return undefined;
    text += String.fromCodePoint(point);
  }
  return text;
}

/** Whether bytes are well-formed UTF-8 (RFC 3629 §4); most text is ASCII, which is seen without making a string of it. */
export function isUtf8(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
  for (let i = start; i < end; i++) {
    if ((bytes[i] as number) >= 0x80) return decodeUtf8(bytes, i, end) !== undefined;
  }
  return true;
}
