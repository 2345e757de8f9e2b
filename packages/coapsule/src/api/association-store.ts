/**
 * Where a listener keeps its associations over a restart or a crash (docs/sleep-and-wake.md).
 *
 * Types only. Whoever implements it keeps one promise: what is asked for becomes durable in the order in which it was
 * asked for, or together; a promise fulfils when its change is durable. Each call may be answered later.
 *
 * @module
 */

import type { PeerAuthentication } from '../core/dtls/credentials.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';

/** An association as it is to be kept. Whoever reads `state` can read and write for both sides. */
export interface KeptAssociation {
  /** `PeerSecurity.association`: the same in the next process. */
  readonly name: string;
  readonly address: PeerAddress;
  readonly identity: Uint8Array;
  readonly authentication: PeerAuthentication;
  /** What the look-up gave along with the key. */
  readonly context: unknown;
  /** Of the whole certificate path. */
  readonly certificateExpiresAt: Date | undefined;
  /** At most 256 bytes with connection ids of usual lengths; not looked into. */
  readonly state: Uint8Array;
  /** First write sequence number that is not reserved. */
  readonly reserved: number;
  /** Right edge of the replay window; -1 when nothing was received. */
  readonly edge: number;
}

/** An association that an earlier process left, taken over by this one. */
export interface ResumableAssociation extends KeptAssociation {
  /** First write sequence number that this process may use: what was reserved, or used, before. */
  readonly writeFrom: number;
  /** Whether it was left by `suspend`, and nobody took it over before: its window is the one in `state`. */
  readonly exact: boolean;
}

/** What `suspend` leaves of one association: exact values. */
export interface SuspendedAssociation {
  readonly name: string;
  readonly address: PeerAddress;
  readonly state: Uint8Array;
  /** Next write sequence number. */
  readonly next: number;
  readonly edge: number;
}

/** See the module comment. */
export interface AssociationStore {
  /**
   * Takes over what an earlier process left. Durable when it fulfils: the write sequence numbers below the `reserved`
   * of each belong to this process, and `exact` counts once.
   *
   * @param ahead How many write sequence numbers to reserve for each.
   */
  resume(ahead: number): Promise<readonly ResumableAssociation[]>;
  /** Begins to keep an association. Until it fulfils, the association is simply not kept. */
  add(association: KeptAssociation): Promise<void>;
  /** Never lowers what is reserved. */
  reserve(name: string, upTo: number): Promise<void>;
  /** Sets the edge, also to a lower one. */
  setEdge(name: string, edge: number): Promise<void>;
  /** The process ends cleanly. */
  suspend(associations: readonly SuspendedAssociation[]): Promise<void>;
  /** The association is over, or could not be taken over. */
  remove(name: string): Promise<void>;
}
