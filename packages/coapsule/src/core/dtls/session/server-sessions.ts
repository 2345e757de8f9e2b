/**
 * How a server remembers sessions and finds them again: by session id in a cache, or by ticket (RFC 5077).
 *
 * Whether the session may go on for this ClientHello, and whether what the peer proved then still holds, is decided
 * in the handshake.
 *
 * @module
 */

import type { CryptoProvider } from '../../foundation/crypto-provider.ts';
import { elapsedMs, type Instant } from '../../foundation/instant.ts';
import { type RandomSource, randomBytes } from '../../foundation/random-source.ts';
import type { CheckedDtlsConfig } from '../dtls-config.ts';
import type { AssociationId } from '../dtls-output.ts';
import { SessionCache } from './session-cache.ts';
import { isSessionAlive, type SessionState } from './session-state.ts';
import { TicketKeys } from './ticket-keys.ts';

/** What of a ClientHello can name a session. */
export interface SessionReference {
  /** 0 … 32 bytes. */
  readonly sessionId: Uint8Array;
  /** Of the session_ticket extension; empty when the client only asks for one, `undefined` without the extension. */
  readonly ticket: Uint8Array | undefined;
}

/** A session that was found. */
export interface RecalledSession {
  readonly session: SessionState;
  readonly by: 'session-id' | 'ticket';
}

/** A ticket to be sent. */
export interface IssuedTicket {
  readonly ticket: Uint8Array;
  /** ticket_lifetime_hint (RFC 5077 §3.3). */
  readonly lifetimeSeconds: number;
}

/**
 * Longest ticket, in bytes: it travels in every ClientHello that resumes, which should fit a datagram. A session
 * with a long chain gets a session id instead, where those are allowed.
 */
const maxTicketLength = 448;

/** All a server remembers about sessions. */
export class ServerSessions {
  readonly #random: RandomSource;
  readonly #config: Pick<CheckedDtlsConfig, 'resumption' | 'sessionLifetimeMs'>;
  readonly #cache: SessionCache;
  readonly #tickets: TicketKeys;

  constructor(
    crypto: CryptoProvider,
    random: RandomSource,
    config: Pick<CheckedDtlsConfig, 'resumption' | 'maxSessions' | 'sessionLifetimeMs'>,
  ) {
    this.#random = random;
    this.#config = config;
    this.#cache = new SessionCache(config.maxSessions, config.sessionLifetimeMs);
    this.#tickets = new TicketKeys(crypto, random, config.sessionLifetimeMs);
  }

  /** Number of sessions kept by id. */
  get size(): number {
    return this.#cache.size;
  }

  /** The session a ClientHello names, if it is known and not too old. */
  recall({ sessionId, ticket }: SessionReference, now: Instant): RecalledSession | undefined {
    const { sessionLifetimeMs } = this.#config;
    // RFC 5077 §3.4: beside a ticket the session id is the client's own and names nothing.
    if (ticket !== undefined && ticket.length > 0) {
      if (!this.#allows('ticket')) return undefined;
      const session = this.#tickets.open(ticket, now);
      const isAlive = session !== undefined && isSessionAlive(session, sessionLifetimeMs, now);
      return isAlive ? { session, by: 'ticket' } : undefined;
    }
    if (sessionId.length === 0 || !this.#allows('session-id')) return undefined;
    const session = this.#cache.find(sessionId, now);
    return session === undefined ? undefined : { session, by: 'session-id' };
  }

  /** Whether a client that takes tickets can be promised one. */
  get issuesTickets(): boolean {
    return this.#allows('ticket');
  }

  /** A new session id (32 bytes) to name the session of a full handshake; empty when there will be none. */
  newSessionId(): Uint8Array {
    return randomBytes(this.#random, this.#allows('session-id') ? 32 : 0);
  }

  /** Keeps a session under its id. */
  remember(sessionId: Uint8Array, session: SessionState, association: AssociationId, now: Instant): void {
    if (sessionId.length > 0) this.#cache.add(sessionId, session, association, now);
  }

  /** A ticket for a session; `undefined` when it would be too long. */
  issueTicket(session: SessionState, now: Instant): IssuedTicket | undefined {
    const ticket = this.#tickets.seal(session, now);
    if (ticket.length > maxTicketLength) return undefined;
    const leftMs = this.#config.sessionLifetimeMs - elapsedMs(session.createdAt, now);
    const lifetimeSeconds = Math.min(Math.max(1, Math.floor(leftMs / 1000)), 2 ** 32 - 1);
    return { ticket, lifetimeSeconds };
  }

  /** Another association came from a session with an id. */
  noteResumed(sessionId: Uint8Array, association: AssociationId): void {
    this.#cache.noteResumed(sessionId, association);
  }

  /** An association ended by a fatal alert: its session must not go on (RFC 5246 §7.2.2). */
  forget(association: AssociationId): void {
    this.#cache.forget(association);
  }

  #allows(kind: 'session-id' | 'ticket'): boolean {
    return this.#config.resumption === kind || this.#config.resumption === 'both';
  }
}
