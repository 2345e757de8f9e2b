/**
 * Sessions a client can offer again: the latest of each server and name, by session id or ticket, bounded.
 *
 * @module
 */

import { after, earliest, type Instant } from '../../foundation/instant.ts';
import type { PeerAddress } from '../../foundation/peer-address.ts';
import type { AssociationId } from '../dtls-output.ts';
import type { SessionState } from './session-state.ts';

/** A session and what names it at the server. */
export interface ClientSession {
  readonly session: SessionState;
  readonly by:
    | { readonly kind: 'session-id'; readonly sessionId: Uint8Array }
    /** `lifetimeSeconds`: the server's hint, 0 when it gives none (RFC 5077 §3.3). */
    | { readonly kind: 'ticket'; readonly ticket: Uint8Array; readonly lifetimeSeconds: number };
}

interface Entry {
  readonly session: ClientSession;
  readonly expiresAt: Instant;
  /** The association it was used for last. */
  association: AssociationId;
}

/** The store. What is too old goes when it is looked for, or when something new comes. */
export class ClientSessions {
  readonly #maxSessions: number;
  readonly #lifetimeMs: number;
  /** Oldest first. */
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

  /** Keeps a session, in place of the one with that server and name. */
  remember(server: PeerAddress, session: ClientSession, association: AssociationId, now: Instant): void {
    const { serverName, createdAt } = session.session;
    const key = keyOf(server, serverName);
    this.#entries.delete(key);
    for (const [oldKey, { expiresAt }] of this.#entries) {
      if (this.#entries.size < this.#maxSessions && expiresAt > now) break;
      this.#entries.delete(oldKey);
    }
    if (this.#maxSessions === 0) return;
    const ourLimit = after(createdAt, this.#lifetimeMs);
    const seconds = session.by.kind === 'ticket' ? session.by.lifetimeSeconds : 0;
    const serversLimit = seconds === 0 ? ourLimit : after(now, 1000 * seconds);
    this.#entries.set(key, {
      session,
      expiresAt: earliest(ourLimit, serversLimit) ?? ourLimit,
      association,
    });
  }

  /** The session to offer to a server, unless it is too old. */
  find(server: PeerAddress, serverName: string | undefined, now: Instant): ClientSession | undefined {
    const key = keyOf(server, serverName);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAt > now) return entry.session;
    this.#entries.delete(key);
    return undefined;
  }

  /** Notes that another association came from the session. */
  noteResumed(server: PeerAddress, serverName: string | undefined, association: AssociationId): void {
    const entry = this.#entries.get(keyOf(server, serverName));
    if (entry !== undefined) entry.association = association;
  }

  /** Forgets the session of a server and name. */
  forget(server: PeerAddress, serverName: string | undefined): void {
    this.#entries.delete(keyOf(server, serverName));
  }

  /** Forgets the session of an association that ended by a fatal alert (RFC 5246 §7.2.2). */
  forgetOf(association: AssociationId): void {
    for (const [key, entry] of this.#entries)
      if (entry.association === association) this.#entries.delete(key);
  }
}

/** No address has a blank in its key. */
function keyOf(server: PeerAddress, serverName: string | undefined): string {
  return `${server.key} ${serverName ?? ''}`;
}
