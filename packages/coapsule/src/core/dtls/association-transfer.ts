/**
 * Associations from and to bytes: checks whether a layer can go on with one, and puts together what goes away.
 *
 * The bytes are those of `association-state.ts`. Whether an association is over after that, and which table it is in,
 * is the business of `established-associations.ts`.
 *
 * @module
 */

import { equalBytes, noBytes } from '../foundation/bytes.ts';
import type { CryptoProvider } from '../foundation/crypto-provider.ts';
import type { KeysOfBytes } from './association-bytes.ts';
import {
  type AssociationState,
  type AssociationStateFault,
  decodeAssociationState,
  encodeAssociationState,
  identityHash,
  isAssociationStateFault,
} from './association-state.ts';
import type { AssociationFacts, AssociationTable } from './association-table.ts';
import type { PeerAuthentication } from './credentials.ts';
import type { CheckedDtlsConfig } from './dtls-config.ts';
import type { DtlsRole } from './dtls-output.ts';
import { maySeal } from './key-limits.ts';
import { createEpochKeys } from './record/epoch-keys.ts';

/** How an association goes on; everything is optional for one that was exported properly. */
export interface ImportOptions {
  /** An older copy is refused: with it, nonces would be used twice. Default 0. */
  readonly leastGeneration?: number;
  /** Whose it is, in full; it has to be the one it was exported with. Without it the hash takes its place. */
  readonly identity?: Uint8Array;
  /** What the peer proved itself with, which is not in the bytes. */
  readonly authentication?: PeerAuthentication;
  /** First write sequence number to use, when those in between are or may be used. */
  readonly writeFrom?: number;
  /** Keeps the association in step with a store that has reserved the numbers below. */
  readonly reserved?: number;
  /** The process before crashed, and this is the stored right edge of its window. */
  readonly crashedAt?: number;
}

/** Why bytes cannot become an association here. */
export type ImportRefusal =
  | AssociationStateFault
  /** Lower than `leastGeneration`: a copy that was used already. */
  | 'older-generation'
  | 'other-identity'
  /** This layer is not on that side. */
  | 'other-role'
  | 'suite-not-allowed'
  | 'no-extended-master-secret'
  /** Own connection ids of this layer have another length, so that its records could not be read. */
  | 'connection-id-length'
  | 'connection-id-in-use'
  | 'address-in-use'
  /** The keys have protected all they may. */
  | 'keys-used-up';

/** What a layer can go on with. */
export interface ImportedAssociation {
  readonly state: AssociationState;
  readonly facts: AssociationFacts;
  readonly keys: KeysOfBytes;
  readonly writeFrom: number;
}

/** What a layer is like. */
export interface ImportingLayer {
  readonly crypto: CryptoProvider;
  readonly config: CheckedDtlsConfig;
  readonly role: DtlsRole | 'both';
  /** Bytes of the connection ids in records to us. */
  readonly connectionIdLength: number;
}

/** Whether a result is a refusal. */
export function isImportRefusal<T extends object | number>(
  result: T | ImportRefusal,
): result is ImportRefusal {
  return typeof result === 'string';
}

/** Reads and judges an exported association. Never throws for what is in the bytes. */
export function readAssociation(
  layer: ImportingLayer,
  bytes: Uint8Array,
  options: ImportOptions,
): ImportedAssociation | ImportRefusal {
  const { crypto, config } = layer;
  const state = decodeAssociationState(crypto, bytes);
  if (isAssociationStateFault(state)) return state;
  const { role, suite, connectionIds, extendedMasterSecret } = state;
  const { identity, leastGeneration = 0, writeFrom = state.writeSequence } = options;
  if (state.generation < leastGeneration) return 'older-generation';
  if (layer.role !== 'both' && layer.role !== role) return 'other-role';
  if (identity !== undefined && !equalBytes(identityHash(crypto, identity), state.identityHash)) {
    return 'other-identity';
  }
  if (!config.suites.includes(suite)) return 'suite-not-allowed';
  if (!extendedMasterSecret && config.extendedMasterSecret === 'required') return 'no-extended-master-secret';
  const own = connectionIds?.own ?? noBytes;
  if (own.length > 0 && own.length !== layer.connectionIdLength) return 'connection-id-length';
  if (writeFrom < state.writeSequence || !maySeal(suite, writeFrom, false)) return 'keys-used-up';
  const { read, write } = state;
  return {
    state,
    writeFrom,
    keys: {
      read: createEpochKeys(crypto, suite, read.key, read.iv, own),
      write: createEpochKeys(crypto, suite, write.key, write.iv, connectionIds?.peer ?? noBytes),
    },
    facts: {
      identity: identity ?? state.identityHash,
      ...(identity === undefined ? { identityHash: state.identityHash } : {}),
      authentication: options.authentication ?? {
        kind: suite.keyExchange.endsWith('PSK') ? 'psk' : 'none',
      },
      resumed: false,
      extendedMasterSecret,
      hasConnectionIds: connectionIds !== undefined,
      returnRoutabilityCheck: state.returnRoutabilityCheck,
      peerRecordSizeLimit: state.peerRecordSizeLimit,
      protocol: undefined,
      serverName: undefined,
    },
  };
}

/** What the caller says about an association that goes away. */
export interface ExportOptions {
  /** 0 … 2^53 - 1; grows with each export. */
  readonly generation: number;
  /** 8 bytes for the layer above. */
  readonly application: Uint8Array;
  /** Next write sequence number, when it is not the present one. */
  readonly writeFrom?: number;
}

/** The bytes of an association as it is. */
export function writeAssociation(
  crypto: CryptoProvider,
  table: AssociationTable,
  slot: number,
  options: ExportOptions,
): Uint8Array {
  const terms = table.terms(slot);
  const identity = table.identity(slot);
  const { read, write } = table.keysOfBytes(slot);
  return encodeAssociationState(crypto, {
    role: table.role(slot),
    suite: write.suite,
    extendedMasterSecret: terms.extendedMasterSecret,
    connectionIds: terms.hasConnectionIds ? { own: read.connectionId, peer: write.connectionId } : undefined,
    returnRoutabilityCheck: terms.returnRoutabilityCheck,
    generation: options.generation,
    writeSequence: options.writeFrom ?? table.writeSequence(slot),
    window: { ...table.window(slot) },
    peerRecordSizeLimit: terms.peerRecordSizeLimit,
    identityHash: table.isIdentityHash(slot) ? identity : identityHash(crypto, identity),
    application: options.application,
    read: { key: read.key, iv: read.writeIv },
    write: { key: write.key, iv: write.writeIv },
  });
}
