/**
 * The header of a DTLS 1.2 record, 13 bytes: type, version, epoch, sequence number, length (RFC 6347 §4.1); in a
 * record with a connection id, that is between the last two (RFC 9146 §4).
 *
 * The field widths and limits live here, for every file of this folder. DTLS 1.3's unified header does not.
 *
 * @module
 */

/**
 * What a record holds: change_cipher_spec, alert, handshake, application_data (RFC 5246 §6.2.1) or, in protected
 * records only, return_routability_check (RFC 9853 §4).
 */
export type ContentType = 20 | 21 | 22 | 23 | 27;

/** Content types by name. */
export const ContentType = {
  ChangeCipherSpec: 20,
  Alert: 21,
  Handshake: 22,
  ApplicationData: 23,
  ReturnRoutabilityCheck: 27,
} as const;

/** tls12_cid: the first byte of a record with a connection id, whose content type is encrypted (RFC 9146 §4). */
export const connectionIdRecordType = 25;

/** What the first byte of a record can be. */
export type RecordType = ContentType | typeof connectionIdRecordType;

/** Whether a number is one of the content types above. */
export function isContentType(value: number): value is ContentType {
  return (value >= 20 && value <= 23) || value === ContentType.ReturnRoutabilityCheck;
}

/** Versions on the wire: the ones' complement of major.minor (RFC 6347 §4.1). */
export const ProtocolVersion = {
  /** Also the version of the records and of the HelloVerifyRequest before a version is agreed (§4.2.1). */
  Dtls10: 0xfeff,
  Dtls12: 0xfefd,
} as const;

/** Bytes before the fragment, without a connection id. */
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

/**
 * Writes a whole header, 13 bytes and the connection id, at the start of `buffer`. `length` counts what follows the
 * header.
 */
export function writeRecordHeader(
  buffer: Uint8Array,
  recordType: RecordType,
  version: number,
  epoch: number,
  sequenceNumber: number,
  connectionId: Uint8Array,
  length: number,
): void {
  buffer[0] = recordType;
  buffer[1] = version >>> 8;
  buffer[2] = version;
  writeEpochAndSequenceNumber(buffer, 3, epoch, sequenceNumber);
  buffer.set(connectionId, 11);
  const lengthOffset = 11 + connectionId.length;
  buffer[lengthOffset] = length >>> 8;
  buffer[lengthOffset + 1] = length;
}
