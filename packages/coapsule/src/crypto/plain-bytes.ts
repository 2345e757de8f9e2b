/**
 * `Buffer` → `Uint8Array`.
 *
 * The core works on plain arrays: `slice` of a Buffer is a view where that of a `Uint8Array` is a copy.
 *
 * @module
 */

/** The same memory as a plain `Uint8Array`. */
export function plainBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
