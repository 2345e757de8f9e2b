/**
 * What protects the records of one epoch in one direction: an AEAD key and the fixed part of its nonce.
 *
 * Builds nonce and additional data of a record (RFC 5246 §6.2.3.3, RFC 6655 §3, RFC 5288 §3, RFC 7905 §2, RFC 9146
 * §5.3); sealing and opening are in files of their own.
 *
 * @module
 */

import { noBytes } from '../../foundation/bytes.ts';
import type { AeadKey, CryptoProvider } from '../../foundation/crypto-provider.ts';
import { InvariantError } from '../../foundation/errors.ts';
import type { CipherSuite } from '../cipher-suites.ts';
import {
  type ContentType,
  connectionIdRecordType,
  recordHeaderLength,
  writeEpochAndSequenceNumber,
} from './record-header.ts';

/** What protects records of one epoch and direction. Immutable; holds no sequence number. */
export interface RecordKeys {
  readonly suite: CipherSuite;
  readonly aead: AeadKey;
  /** In each record under these keys (RFC 9146 §4); empty when records have the usual format. */
  readonly connectionId: Uint8Array;
  /** The first, second and third four bytes of the fixed part of the nonce: numbers, as an array takes two hundred bytes more. */
  readonly iv0: number;
  readonly iv1: number;
  readonly iv2: number;
}

/** The same with what they were made from: an association that outlives this process takes it along. */
export interface EpochKeys extends RecordKeys {
  /** Of `aead`. */
  readonly key: Uint8Array;
  /** The fixed part of the nonce: 4 or 12 bytes. */
  readonly writeIv: Uint8Array;
  /** Whether `aead` was made. */
  readonly isInUse: boolean;
}

/** Keys for a long time, which hold nothing that records do not need. */
export function recordKeysOf(keys: EpochKeys): RecordKeys {
  const { suite, aead, connectionId, iv0, iv1, iv2 } = keys;
  // A view would keep all of its buffer.
  const ownId = connectionId.length === 0 ? noBytes : connectionId.slice();
  return { suite, aead, connectionId: ownId, iv0, iv1, iv2 };
}

/**
 * Keys for one direction of an epoch. The bytes are kept as they are, not copied.
 *
 * @throws InvariantError when a length is not that of the suite.
 */
export function createEpochKeys(
  crypto: CryptoProvider,
  suite: CipherSuite,
  writeKey: Uint8Array,
  writeIv: Uint8Array,
  connectionId: Uint8Array = noBytes,
): EpochKeys {
  if (writeKey.length !== suite.keyLength || writeIv.length !== suite.fixedIvLength) {
    throw new InvariantError(
      `${suite.name} with a key of ${writeKey.length} and an IV of ${writeIv.length} bytes`,
    );
  }
  return new MadeEpochKeys(crypto, suite, writeKey, writeIv, connectionId);
}

/** The AEAD key is made when the first record needs it: many associations are never heard of again. */
class MadeEpochKeys implements EpochKeys {
  readonly suite: CipherSuite;
  readonly key: Uint8Array;
  readonly writeIv: Uint8Array;
  readonly connectionId: Uint8Array;
  readonly iv0: number;
  readonly iv1: number;
  readonly iv2: number;
  readonly #crypto: CryptoProvider;
  #aead: AeadKey | undefined;

  constructor(
    crypto: CryptoProvider,
    suite: CipherSuite,
    key: Uint8Array,
    writeIv: Uint8Array,
    connectionId: Uint8Array,
  ) {
    this.#crypto = crypto;
    this.suite = suite;
    this.key = key;
    this.writeIv = writeIv;
    this.connectionId = connectionId;
    this.iv0 = wordAt(writeIv, 0);
    this.iv1 = wordAt(writeIv, 4);
    this.iv2 = wordAt(writeIv, 8);
  }

  get isInUse(): boolean {
    return this.#aead !== undefined;
  }

  get aead(): AeadKey {
    this.#aead ??= this.#crypto.aead(this.suite.aead, this.key);
    return this.#aead;
  }
}

/** Four bytes as a number of 32 bits with a sign; 0 for those that are not there. */
function wordAt(bytes: Uint8Array, offset: number): number {
  let word = 0;
  for (let i = offset; i < offset + 4; i++) word = (word << 8) | (bytes[i] ?? 0);
  return word;
}

/** Bytes a record has more than its content: header, connection id and inner type, explicit nonce, tag. */
export function recordOverhead({ suite, connectionId }: Pick<RecordKeys, 'suite' | 'connectionId'>): number {
  return recordOverheadOf(suite, connectionId.length);
}

/** The same of records under a suite, with a connection id of so many bytes or, at 0, with none. */
export function recordOverheadOf(
  { recordIvLength, tagLength }: Pick<CipherSuite, 'recordIvLength' | 'tagLength'>,
  connectionIdLength: number,
): number {
  const forConnectionId = connectionIdLength === 0 ? 0 : connectionIdLength + innerTypeLength;
  return recordHeaderLength + forConnectionId + recordIvLength + tagLength;
}

/** Bytes of the real type that follows the content in a record with a connection id (RFC 9146 §4). */
export const innerTypeLength = 1;

/** The nonce buffer that the functions below share; one call overwrites that of the call before. */
const nonce = new Uint8Array(12);
const additionalData = new Uint8Array(13);
/** seq_num_placeholder, and room for a connection id of 255 bytes. */
const connectionIdAdditionalData = new Uint8Array(23 + 255).fill(0xff, 0, 8);

/**
 * The nonce of CCM and GCM: the fixed IV and the 8 explicit bytes of the record (RFC 6655 §3, RFC 5288 §3).
 *
 * @returns a shared buffer, good until the next call.
 */
export function explicitNonce({ iv0 }: RecordKeys, buffer: Uint8Array, offset: number): Uint8Array {
  setWord(0, iv0);
  for (let i = 0; i < 8; i++) nonce[4 + i] = buffer[offset + i] as number;
  return nonce;
}

/**
 * The nonce of ChaCha20-Poly1305: epoch and sequence number, padded to 12 bytes, XOR the IV (RFC 7905 §2).
 *
 * @returns a shared buffer, good until the next call.
 */
export function implicitNonce(
  { iv0, iv1, iv2 }: RecordKeys,
  epoch: number,
  sequenceNumber: number,
): Uint8Array {
  writeEpochAndSequenceNumber(nonce, 4, epoch, sequenceNumber);
  setWord(0, iv0);
  setWord(4, iv1 ^ wordAt(nonce, 4));
  setWord(8, iv2 ^ wordAt(nonce, 8));
  return nonce;
}

function setWord(offset: number, word: number): void {
  nonce[offset] = word >>> 24;
  nonce[offset + 1] = word >>> 16;
  nonce[offset + 2] = word >>> 8;
  nonce[offset + 3] = word;
}

/**
 * The additional data of a record, 13 bytes: epoch, sequence number, type, version and the length of the
 * plaintext (RFC 5246 §6.2.3.3, with RFC 6347 §4.1.2.1 for epoch and sequence number).
 *
 * @returns a shared buffer, good until the next call.
 */
export function recordAdditionalData(
  contentType: ContentType,
  version: number,
  epoch: number,
  sequenceNumber: number,
  plaintextLength: number,
): Uint8Array {
  writeEpochAndSequenceNumber(additionalData, 0, epoch, sequenceNumber);
  additionalData[8] = contentType;
  additionalData[9] = version >>> 8;
  additionalData[10] = version;
  additionalData[11] = plaintextLength >>> 8;
  additionalData[12] = plaintextLength;
  return additionalData;
}

/**
 * The additional data of a record with a connection id, 23 bytes and the connection id (RFC 9146 §5.3).
 *
 * @param innerLength Of content, type and padding together.
 * @returns a shared buffer, good until the next call.
 */
export function connectionIdRecordAdditionalData(
  connectionId: Uint8Array,
  version: number,
  epoch: number,
  sequenceNumber: number,
  innerLength: number,
): Uint8Array {
  const { length } = connectionId;
  const data = connectionIdAdditionalData.subarray(0, 23 + length);
  data[8] = connectionIdRecordType;
  data[9] = length;
  data[10] = connectionIdRecordType;
  data[11] = version >>> 8;
  data[12] = version;
  writeEpochAndSequenceNumber(data, 13, epoch, sequenceNumber);
  data.set(connectionId, 21);
  data[21 + length] = innerLength >>> 8;
  data[22 + length] = innerLength;
  return data;
}
