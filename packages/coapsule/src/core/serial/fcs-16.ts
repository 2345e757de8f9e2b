/**
 * FCS-16, the frame check sequence of RFC 1662 §C.2: what slipmux ends a CoAP frame with (draft-bormann-t2trg-slipmux §5).
 *
 * CRC with the polynomial x^16 + x^12 + x^5 + 1, least significant bit first, begun with all ones and complemented at the
 * end; its two bytes follow the data, the lower one first. It finds noise on a line; it is no protection from anybody.
 *
 * @module
 */

/** Where the register of a new sequence begins. */
export const fcs16Start = 0xffff;

/** What the register holds after data that is followed by its own sequence. */
const fcs16Good = 0xf0b8;

const table: Uint16Array = /* @__PURE__ */ (() => {
  const entries = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let register = byte;
    for (let bit = 0; bit < 8; bit++) register = (register >> 1) ^ (register & 1 ? 0x8408 : 0);
    entries[byte] = register;
  }
  return entries;
})();

/** The register after one more byte. */
export function fcs16Add(register: number, byte: number): number {
  return (register >> 8) ^ (table[(register ^ byte) & 0xff] as number);
}

/** The sequence, 0 … 65,535, for what the register has seen; its lower byte is sent first. */
export function fcs16Value(register: number): number {
  return register ^ 0xffff;
}

/** Whether bytes end with the right sequence for all that is before it. Fewer than two bytes never do. */
export function hasGoodFcs16(bytes: Uint8Array): boolean {
  if (bytes.length < 2) return false;
  let register = fcs16Start;
  for (const byte of bytes) register = fcs16Add(register, byte);
  return register === fcs16Good;
}
