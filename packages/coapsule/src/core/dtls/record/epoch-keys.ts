/**
 * What protects the records of one epoch in one direction: an AEAD key and the fixed part of its nonce.
 *
 * Builds nonce and additional data of a record (RFC 5246 §6.2.3.3, RFC 6655 §3, RFC 5288 §3, RFC 7905 §2);
 * sealing and opening are in files of their own.
 *
 * @module
 */

import { noBytes } from '../../foundation/bytes.ts';
import type { AeadKey, CryptoProvider } from '../../foundation/crypto-provider.ts';
import { InvariantError } from '../../foundation/errors.ts';
import type { CipherSuite } from '../cipher-suites.ts';
import { type ContentType, recordHeaderLength, writeEpochAndSequenceNumber } from './record-header.ts';

/** Keys of one epoch and direction. Immutable; holds no sequence number. */
export interface EpochKeys {
  readonly suite: CipherSuite;
  readonly aead: AeadKey;
  /** The fixed part of the nonce: 4 or 12 bytes. */
  readonly writeIv: Uint8Array;
  /** In each record under these keys (RFC 9146 §4); empty when records have the usual format. */
  readonly connectionId: Uint8Array;
}

/**
 * Keys for one direction of an epoch. The key goes into the provider once and is not kept here.
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
  return { suite, aead: crypto.aead(suite.aead, writeKey), writeIv: writeIv.slice(), connectionId };
}

/** Bytes a protected record has more than its plaintext: header, explicit nonce and tag. */
export function recordOverhead(suite: CipherSuite): number {
  return recordHeaderLength + suite.recordIvLength + suite.tagLength;
}

/** The nonce buffer that the functions below share; one call overwrites that of the call before. */
const nonce = new Uint8Array(12);
const additionalData = new Uint8Array(13);

/**
 * The nonce of CCM and GCM: the fixed IV and the 8 explicit bytes of the record (RFC 6655 §3, RFC 5288 §3).
 *
 * @returns a shared buffer, good until the next call.
 */
export function explicitNonce(keys: EpochKeys, buffer: Uint8Array, offset: number): Uint8Array {
  nonce.set(keys.writeIv);
  for (let i = 0; i < 8; i++) nonce[4 + i] = buffer[offset + i] as number;
  return nonce;
}

/**
 * The nonce of ChaCha20-Poly1305: epoch and sequence number, padded to 12 bytes, XOR the IV (RFC 7905 §2).
 *
 * @returns a shared buffer, good until the next call.
 */
export function implicitNonce(keys: EpochKeys, epoch: number, sequenceNumber: number): Uint8Array {
  nonce.fill(0, 0, 4);
  writeEpochAndSequenceNumber(nonce, 4, epoch, sequenceNumber);
  for (let i = 0; i < nonce.length; i++) nonce[i] = (nonce[i] as number) ^ (keys.writeIv[i] as number);
  return nonce;
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
