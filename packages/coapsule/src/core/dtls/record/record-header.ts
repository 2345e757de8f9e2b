/**
 * The header of a DTLS 1.2 record, 13 bytes: type, version, epoch, sequence number, length (RFC 6347 §4.1).
 *
 * The field widths and limits live here, for every file of this folder. DTLS 1.3's unified header does not.
 *
 * @module
 */

/** change_cipher_spec, alert, handshake, application_data (RFC 5246 §6.2.1). */
export type ContentType = 20 | 21 | 22 | 23;

/** Content types by name. */
export const ContentType = {
  ChangeCipherSpec: 20,
  Alert: 21,
  Handshake: 22,
  ApplicationData: 23,
} as const;

/** Versions on the wire: the ones' complement of major.minor (RFC 6347 §4.1). */
export const ProtocolVersion = {
  /** Also the version of the records and of the HelloVerifyRequest before a version is agreed (§4.2.1). */
  Dtls10: 0xfeff,
  Dtls12: 0xfefd,
} as const;

/** Bytes before the fragment. */
export const recordHeaderLength = 13;

/** Largest plaintext of a record in bytes (RFC 5246 §6.2.1). */
export const maxPlaintextLength: number = 2 ** 14;

/** Largest fragment of a protected record in bytes (RFC 5246 §6.2.3). */
export const maxCiphertextLength: number = 2 ** 14 + 2048;

/** Largest sequence number: 48 bits (RFC 6347 §4.1). An epoch that has used it cannot send any more. */
export const maxSequenceNumber: number = 2 ** 48 - 1;

/** Whether both fit their fields: a 16-bit epoch and a 48-bit sequence number. */
export function isRecordNumber(epoch: number, sequenceNumber: number): boolean {
  return (
    Number.isInteger(epoch) &&
    epoch >= 0 &&
    epoch <= 0xffff &&
    Number.isInteger(sequenceNumber) &&
    sequenceNumber >= 0 &&
    sequenceNumber <= maxSequenceNumber
  );
}

/** Writes epoch and sequence number, 8 bytes, at `buffer[offset]`. */
export function writeEpochAndSequenceNumber(
  buffer: Uint8Array,
  offset: number,
  epoch: number,
  sequenceNumber: number,
): void {
  // Two words, because bit operations on numbers end at 32 bits.
  const high = Math.floor(sequenceNumber / 0x1_0000_0000);
  buffer[offset] = epoch >>> 8;
  buffer[offset + 1] = epoch;
  buffer[offset + 2] = high >>> 8;
  buffer[offset + 3] = high;
  buffer[offset + 4] = sequenceNumber >>> 24;
  buffer[offset + 5] = sequenceNumber >>> 16;
  buffer[offset + 6] = sequenceNumber >>> 8;
  buffer[offset + 7] = sequenceNumber;
}

/** Writes a whole header, 13 bytes, at the start of `buffer`. `length` counts what follows the header. */
export function writeRecordHeader(
  buffer: Uint8Array,
  contentType: ContentType,
  version: number,
  epoch: number,
  sequenceNumber: number,
  length: number,
): void {
  buffer[0] = contentType;
  buffer[1] = version >>> 8;
  buffer[2] = version;
  writeEpochAndSequenceNumber(buffer, 3, epoch, sequenceNumber);
  buffer[11] = length >>> 8;
  buffer[12] = length;
}
