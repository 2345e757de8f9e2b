/**
 * Sessions a server can resume, by session id (RFC 5246 §7.4.1.2): bounded, oldest out, each for a limited time.
 *
 * @module
 */

import { toHex } from '../../foundation/bytes.ts';
import type { Instant } from '../../foundation/instant.ts';
import type { AssociationId } from '../dtls-output.ts';
import { isSessionAlive, type SessionState } from './session-state.ts';

interface Entry {
  readonly session: SessionState;
  /** The association it was used for last. */
  association: AssociationId;
}

/** The cache; needs no timer, since what is too old goes when something new comes. */
export class SessionCache {
  readonly #maxSessions: number;
  readonly #lifetimeMs: number;
  /** By session id in hexadecimal; oldest first. */
  readonly #entries = new Map<string, Entry>();

  /** @param maxSessions 0 … ; with 0 nothing is kept. */
  constructor(maxSessions: number, lifetimeMs: number) {
    this.#maxSessions = maxSessions;
    this.#lifetimeMs = lifetimeMs;
  }

  /** Number of sessions kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether another session fits without the loss of one that is still good. */
  hasRoom(now: Instant): boolean {
    for (const [key, { session }] of this.#entries) {
      if (isSessionAlive(session, this.#lifetimeMs, now)) break;
      this.#entries.delete(key);
    }
    return this.#entries.size < this.#maxSessions;
  }

  /** Keeps a session; the id must be new. */
  add(sessionId: Uint8Array, session: SessionState, association: AssociationId, now: Instant): void {
    if (!this.hasRoom(now)) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    if (this.#maxSessions > 0) this.#entries.set(toHex(sessionId), { session, association });
  }

  /** The session with this id, unless it is too old. */
  find(sessionId: Uint8Array, now: Instant): SessionState | undefined {
    const entry = this.#entries.get(toHex(sessionId));
    if (entry === undefined || !isSessionAlive(entry.session, this.#lifetimeMs, now)) return undefined;
    return entry.session;
  }

  /** Notes that another association came from the session. */
  noteResumed(sessionId: Uint8Array, association: AssociationId): void {
    const entry = this.#entries.get(toHex(sessionId));
    if (entry !== undefined) entry.association = association;
  }

  /** Forgets a session. */
  remove(sessionId: Uint8Array): void {
    this.#entries.delete(toHex(sessionId));
  }

  /** Forgets the session of an association that ended by a fatal alert (RFC 5246 §7.2.2). Looks at all of them. */
  forget(association: AssociationId): void {
    for (const [key, entry] of this.#entries)
      if (entry.association === association) this.#entries.delete(key);
  }
}
