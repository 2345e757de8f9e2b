/**
 * Where a listener keeps its associations over a restart or a crash (docs/sleep-and-wake.md).
 *
 * Types only. Whoever implements it keeps one promise: what is asked for becomes durable in the order in which it was
 * asked for, or together; a promise fulfils when its change is durable. Each call may be answered later, but has its
 * place in the order when it returns. Where the disk fails in between, an edge that could not be stored becomes durable
 * with what comes after it, or that fails too: nothing is ever durable without the edges that were asked for before it.
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
  /**
   * Whether the store has made sure that the peer is still one that may connect. Otherwise the listener asks its look-ups
   * and `verifyPeer` again. Whether a pre-shared key is still the same can be told by the store alone. What
   * `deniedCertificates` names, and what has expired, is never taken over.
   */
  readonly reviewed?: boolean;
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

/** A request over a kept association that may change something (any method but GET and FETCH). */
export interface RequestToRemember {
  readonly messageId: number;
  readonly token: Uint8Array;
  /** How long a copy of it can come (RFC 7252 §4.8.2). */
  readonly lifetimeMs: number;
}

/** A request that came before. */
export interface RememberedRequest {
  /** What `setAnswer` gave. `undefined`: its handler had begun, and nobody knows how far it came. */
  readonly answer: Uint8Array | undefined;
}

/** See the module comment. */
export interface AssociationStore {
  /**
   * Takes over what an earlier process left. Durable when it is given: the write sequence numbers below the `reserved`
   * of each belong to this process, and `exact` counts once. Of a store with many associations, give some at a time: each
   * part is worked with at once, and the event loop has its turn where the next one waits for something outside the process.
   *
   * @param ahead How many write sequence numbers to reserve for each.
   */
  resume(
    ahead: number,
  ): Promise<readonly ResumableAssociation[]> | AsyncIterable<readonly ResumableAssociation[]>;
  /** Begins to keep an association. Until it fulfils, the association is simply not kept. */
  add(association: KeptAssociation): Promise<void>;
  /** Never lowers what is reserved. */
  reserve(name: string, upTo: number): Promise<void>;
  /** Sets the edge, also to a lower one. */
  setEdge(name: string, edge: number): Promise<void>;
  /**
   * Remembers a request before its handler begins, by association, Message ID and token; or fulfils with what it is
   * remembered by, and changes nothing. So a retransmission that comes after a restart is not carried out again
   * (RFC 7252 §4.5). The newest 64 of each association are enough.
   */
  rememberRequest(name: string, request: RequestToRemember): Promise<RememberedRequest | undefined>;
  /** The answer to a remembered request: at most 1024 bytes, not looked into. The request need not be there any more. */
  setAnswer(name: string, request: RequestToRemember, answer: Uint8Array): Promise<void>;
  /** The process ends cleanly. */
  suspend(associations: readonly SuspendedAssociation[]): Promise<void>;
  /** The association is over, or could not be taken over. */
  remove(name: string): Promise<void>;
}
