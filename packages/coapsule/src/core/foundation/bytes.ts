/**
 * Byte strings as plain `Uint8Array`s: the few operations every layer needs.
 *
 * @module
 */

/** A byte string of length zero, shared. */
export const noBytes: Uint8Array = new Uint8Array(0);

/**
 * The engine keeps an array of so many bytes beside its other objects. It costs a tenth of a longer one, or of a view, by which
 * its bytes get memory of their own.
 */
const shortLength = 64;

/** A copy of `bytes` from `start` to `end`: of all of them by default. */
export function copyOf(bytes: Uint8Array, start = 0, end: number = bytes.length): Uint8Array {
  const length = end - start;
  if (length > shortLength) return bytes.slice(start, end);
  const copy = new Uint8Array(length);
  for (let i = 0; i < length; i++) copy[i] = bytes[start + i] as number;
  return copy;
}

/** One new array holding all parts in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Whether two byte strings are the same. Not for secrets: its time depends on where they differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Whether two byte strings are the same, in a time that depends on their lengths only.
 * For MACs, cookies and verify_data.
 */
export function equalBytesConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

const hexBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hexadecimal text, two digits a byte, no separators. */
export function toHex(bytes: Uint8Array): string {
  // Joined, not added up: a sum of strings keeps all of its parts.
  const digits: string[] = [];
  for (let i = 0; i < bytes.length; i++) digits.push(hexBytes[bytes[i] as number] as string);
  return digits.join('');
}

/** The bytes of hexadecimal text (any case, no separators), or `undefined` when it is not that. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || /[^0-9a-fA-F]/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Whether two byte strings are equal, or both are missing. Not constant in time. */
export function equalOptional(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
