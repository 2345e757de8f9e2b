/**
 * An association as bytes, so that it survives deep sleep, a restart or a crash (docs/sleep-and-wake.md).
 *
 * | offset | bytes | what |
 * |---|---|---|
 * | 0 | 1 | version of this format: 1 |
 * | 1 | 1 | flags: 1 client, 2 extended master secret, 4 connection ids, 8 return routability check, 16 window not empty |
 * | 2 | 2 | cipher suite |
 * | 4 | 8 | generation |
 * | 12 | 2 | epoch: 1 |
 * | 14 | 6 | next sequence number to write with |
 * | 20 | 6 | replay window: highest sequence number received, or 0 |
 * | 26 | 8 | replay window: bit i from the lowest tells whether `highest - i` was received |
 * | 34 | 2 | record size limit of the peer |
 * | 36 | 16 | first half of the SHA-256 of the identity |
 * | 52 | 8 | what the layer above keeps: next Message ID (2), next token (6) |
 * | 60 | 1 + n | own connection id, 0 … 20 bytes |
 * | | 1 + m | the peer's connection id, 0 … 255 bytes |
 * | | k, f | key and fixed IV of the read direction, of the lengths of the suite |
 * | | k, f | the same of the write direction |
 * | | 8 | the first bytes of the SHA-256 of all before: against bit rot, not against attackers |
 *
 * Numbers are in network byte order. At most 186 bytes with an own connection id of 8 and a peer's of 20. There is
 * no master secret in it: no exporter, key log or ticket after it. Whoever reads it can read and write for the
 * association.
 *
 * @module
 */

import { ByteReader } from '../foundation/byte-reader.ts';
import { ByteWriter } from '../foundation/byte-writer.ts';
import { equalBytes } from '../foundation/bytes.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import { type CipherSuite, suiteById } from './cipher-suites.ts';
import type { DtlsRole } from './dtls-output.ts';
import type { ConnectionIds } from './handshake/handshake-context.ts';
import { type ReplayWindowState, replayWindowWidth } from './record/anti-replay-window.ts';
import { maxPlaintextLength, maxSequenceNumber } from './record/record-header.ts';

/** What is kept of an association; the module comment has the layout. */
export interface AssociationState {
  readonly role: DtlsRole;
  readonly suite: CipherSuite;
  readonly extendedMasterSecret: boolean;
  readonly connectionIds: ConnectionIds | undefined;
  readonly returnRoutabilityCheck: boolean;
  /** 0 … 2^53 - 1; grows with each export, so that an older copy can be told. */
  readonly generation: number;
  /** 0 … 2^48 - 1. */
  readonly writeSequence: number;
  readonly window: Readonly<ReplayWindowState>;
  /** Most plaintext of a record that the peer takes, in bytes. */
  readonly peerRecordSizeLimit: number;
  /** 16 bytes, of `identityHash`. */
  readonly identityHash: Uint8Array;
  /** 8 bytes that belong to the layer above and are not looked into here. */
  readonly application: Uint8Array;
  readonly read: RawKeys;
  readonly write: RawKeys;
}

/** What the keys of one direction are made from; lengths are those of the suite. */
export interface RawKeys {
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
}

/** Why bytes are no association. `damaged`: they were one, and a bit changed. */
export type AssociationStateFault = 'malformed' | 'damaged' | 'unknown-version' | 'unknown-suite';

const formatVersion = 1;
const onlyEpoch = 1;
const maxOwnConnectionId = 20;
const checkLength = 8;

/** RFC 8449 §4: 64 bytes at least; a limit that covers the inner type may be one more than a plaintext. */
const leastRecordSize = 64;
const mostRecordSize = maxPlaintextLength + 1;

/** Bytes of `AssociationState.application`. */
export const applicationStateLength = 8;

/** Bytes of `AssociationState.identityHash`. */
const identityHashLength = 16;

const flag = {
  client: 1,
  extendedMasterSecret: 2,
  connectionIds: 4,
  returnRoutabilityCheck: 8,
  windowNotEmpty: 16,
} as const;
const allFlags = 31;

/** The hash by which a state knows whose it is: 16 bytes. */
export function identityHash(crypto: CryptoProvider, identity: Uint8Array): Uint8Array {
  return crypto.digest('SHA-256', identity).slice(0, identityHashLength);
}

/** The bytes of an association. */
export function encodeAssociationState(crypto: CryptoProvider, state: AssociationState): Uint8Array {
  const { window, connectionIds, read, write } = state;
  const isEmpty = window.highest < 0;
  const writer = new ByteWriter(192)
    .u8(formatVersion)
    .u8(
      (state.role === 'client' ? flag.client : 0) |
        (state.extendedMasterSecret ? flag.extendedMasterSecret : 0) |
        (connectionIds === undefined ? 0 : flag.connectionIds) |
        (state.returnRoutabilityCheck ? flag.returnRoutabilityCheck : 0) |
        (isEmpty ? 0 : flag.windowNotEmpty),
    )
    .u16(state.suite.id)
    .u32(Math.floor(state.generation / 2 ** 32))
    .u32(state.generation % 2 ** 32)
    .u16(onlyEpoch)
    .u48(state.writeSequence)
    .u48(isEmpty ? 0 : window.highest)
    .u32(window.older)
    .u32(window.recent)
    .u16(state.peerRecordSizeLimit)
    .bytes(state.identityHash)
    .bytes(state.application)
    .vector8(connectionIds?.own ?? new Uint8Array(0))
    .vector8(connectionIds?.peer ?? new Uint8Array(0))
    .bytes(read.key)
    .bytes(read.iv)
    .bytes(write.key)
    .bytes(write.iv);
  return writer.bytes(checkOf(crypto, writer.finish())).finish();
}

/**
 * Reads what `encodeAssociationState` wrote; takes any bytes and never throws.
 *
 * @returns the association, with views of `bytes`, or why it is none.
 */
export function decodeAssociationState(
  crypto: CryptoProvider,
  bytes: Uint8Array,
): AssociationState | AssociationStateFault {
  if (bytes.length <= checkLength) return 'malformed';
  if (bytes[0] !== formatVersion) return 'unknown-version';
  const end = bytes.length - checkLength;
  if (!equalBytes(bytes.subarray(end), checkOf(crypto, bytes.subarray(0, end)))) return 'damaged';
  const reader = new ByteReader(bytes, 1, end);
  const flags = reader.u8();
  const suite = suiteById(reader.u16());
  const generation = reader.u32() * 2 ** 32 + reader.u32();
  const epoch = reader.u16();
  const writeSequence = reader.u48();
  const highest = reader.u48();
  const older = reader.u32();
  const recent = reader.u32();
  const peerRecordSizeLimit = reader.u16();
  const identityHash = reader.view(identityHashLength);
  const application = reader.view(applicationStateLength);
  const own = reader.vector8();
  const peer = reader.vector8();
  if (reader.failed) return 'malformed';
  if (suite === undefined) return 'unknown-suite';
  const keys = (): RawKeys => ({
    key: reader.view(suite.keyLength),
    iv: reader.view(suite.fixedIvLength),
  });
  const read = keys();
  const write = keys();
  const has = (one: number): boolean => (flags & one) !== 0;
  const window = has(flag.windowNotEmpty) ? { highest, recent, older } : { highest: -1, recent: 0, older: 0 };
  const isSound =
    reader.finished &&
    flags <= allFlags &&
    epoch === onlyEpoch &&
    Number.isSafeInteger(generation) &&
    (has(flag.windowNotEmpty) ? isWindow(window) : highest === 0 && recent === 0 && older === 0) &&
    peerRecordSizeLimit >= leastRecordSize &&
    peerRecordSizeLimit <= mostRecordSize &&
    own.length <= maxOwnConnectionId &&
    (has(flag.connectionIds) || (own.length === 0 && peer.length === 0));
  if (!isSound) return 'malformed';
  return {
    role: has(flag.client) ? 'client' : 'server',
    suite,
    extendedMasterSecret: has(flag.extendedMasterSecret),
    connectionIds: has(flag.connectionIds) ? { own, peer } : undefined,
    returnRoutabilityCheck: has(flag.returnRoutabilityCheck),
    generation,
    writeSequence,
    window,
    peerRecordSizeLimit,
    identityHash,
    application,
    read,
    write,
  };
}

/** What two layers need of the bytes of an association that were found to be sound: the latter is a view. */
export function numbersOfAssociation(
  bytes: Uint8Array,
): Pick<AssociationState, 'writeSequence' | 'application'> {
  const writeSequence = new ByteReader(bytes, 14).u48();
  return { writeSequence, application: bytes.subarray(52, 52 + applicationStateLength) };
}

/** Whether a decoder's result is a fault. */
export function isAssociationStateFault<T extends object>(
  result: T | AssociationStateFault,
): result is AssociationStateFault {
  return typeof result === 'string';
}

function checkOf(crypto: CryptoProvider, bytes: Uint8Array): Uint8Array {
  return crypto.digest('SHA-256', bytes).slice(0, checkLength);
}

/** The highest number itself was received; none below 0 was. */
function isWindow({ highest, recent, older }: ReplayWindowState): boolean {
  if (highest > maxSequenceNumber || (recent & 1) === 0) return false;
  const possible = highest + 1;
  if (possible >= replayWindowWidth) return true;
  return possible >= 32 ? older < 2 ** (possible - 32) : older === 0 && recent < 2 ** possible;
}
