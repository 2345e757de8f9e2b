/**
 * How a client's associations outlive sleep, restart and crash (docs/sleep-and-wake.md).
 *
 * @module
 */

import type { ImportRefusal } from '../core/dtls/dtls-layer.ts';
import { CoapsuleError } from './errors.ts';

/** For `Client.exportAssociation`. */
export interface ExportAssociationOptions {
  /** 0 … 2^53 - 1; grows with each export, so that an older copy can be refused. Default 0. */
  readonly generation?: number;
}

/** For `Client.importAssociation`. */
export interface ImportAssociationOptions {
  /**
   * The generation of the last export, from a counter that no restored copy brings back, such as one in RTC memory. A
   * copy that is older was used already: with it nonces would repeat. Without such a counter that cannot be noticed.
   */
  readonly leastGeneration?: number;
}

/**
 * Stores the association with a server, or forgets it when it is over (`undefined`). Called before any record leaves
 * that the state stored last does not allow for: when it returns, `state` has to be durable. Whoever imports it after
 * a crash uses no number that this process may have used. What it throws ends the association.
 */
export type KeepAssociation = (
  state: Uint8Array | undefined,
  server: { readonly host: string; readonly port: number },
) => void;

const sentences: Readonly<Record<ImportRefusal, string>> = {
  malformed: 'it is not an association',
  damaged: 'it is damaged',
  'unknown-version': 'another version of this library wrote it',
  'unknown-suite': 'its cipher suite is not known',
  'older-generation': 'it is an older copy, which was used already',
  'other-identity': 'it belongs to another identity',
  'other-role': 'it is that of a server',
  'suite-not-allowed': 'its cipher suite is not among those that are allowed',
  'no-extended-master-secret': 'it has no extended master secret (RFC 7627)',
  'connection-id-length': 'its connection id has another length than those of this client',
  'connection-id-in-use': 'its connection id is in use',
  'address-in-use': 'there is an association with this server already',
  'keys-used-up': 'its keys have protected all they may',
};

/** Why a kept association cannot be used. */
export function refusedAssociation(refusal: ImportRefusal): CoapsuleError {
  return new CoapsuleError(
    'ERR_ASSOCIATION_STATE',
    `the kept association cannot be used: ${sentences[refusal]}`,
    'go on without it: the next request makes a new handshake',
  );
}

/** A state could not be stored. */
export function unstoredAssociation(cause: unknown): CoapsuleError {
  return new CoapsuleError(
    'ERR_ASSOCIATION_STATE',
    `the association cannot be kept: ${cause instanceof Error ? cause.message : String(cause)}`,
    'make room or correct the rights where it is kept; nothing was sent',
    { cause },
  );
}
