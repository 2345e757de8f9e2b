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
  /** Which of several pre-shared keys it began with, once the application was asked. */
  readonly pskIndex?: number;
  /** Whether the client should get a new ticket (RFC 5077 §3.3). */
  readonly isTicketOld: boolean;
}

/** What a ServerHello says of the session it begins. */
export interface SessionPromise {
  /** 32 bytes; empty when it will not be remembered so. */
  readonly sessionId: Uint8Array;
  readonly ticket: boolean;
}

/** A ticket to be sent. */
export interface IssuedTicket {
  readonly ticket: Uint8Array;
  /** ticket_lifetime_hint (RFC 5077 §3.3). */
  readonly lifetimeSeconds: number;
}

/** Longest ticket, in bytes: it travels in every ClientHello that resumes, which should fit a datagram. */
const maxTicketLength = 896;

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
      const opened = this.#tickets.open(ticket, now);
      if (opened === undefined || !isSessionAlive(opened.session, sessionLifetimeMs, now)) return undefined;
      return { session: opened.session, by: 'ticket', isTicketOld: opened.isKeyOld };
    }
    if (sessionId.length === 0 || !this.#allows('session-id')) return undefined;
    const session = this.#cache.find(sessionId, now);
    return session && { session, by: 'session-id', isTicketOld: false };
  }

  /**
   * What a new session will be known by. A session id costs the client far fewer bytes, in each ClientHello; so
   * tickets are for when the cache is full, or where they are all that is allowed.
   *
   * @param takesTickets Whether the client asks for a ticket.
   * @param isLong Whether the session will hold a chain of certificates, which is more than a ticket should carry.
   */
  promise(takesTickets: boolean, isLong: boolean, now: Instant): SessionPromise {
    const byId = this.#allows('session-id');
    const isIdBetter = byId && (isLong || this.#cache.hasRoom(now));
    const byTicket = takesTickets && this.#allows('ticket') && !isIdBetter;
    // RFC 5077 §3.4: no session id for who gets a ticket.
    return { ticket: byTicket, sessionId: randomBytes(this.#random, byId && !byTicket ? 32 : 0) };
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

  /** A handshake that was to go on with a session ended by a fatal alert. A ticket cannot be taken back. */
  remove(sessionId: Uint8Array): void {
    this.#cache.remove(sessionId);
  }

  /** An association ended by a fatal alert: its session must not go on (RFC 5246 §7.2.2). */
  forget(association: AssociationId): void {
    this.#cache.forget(association);
  }

  #allows(kind: 'session-id' | 'ticket'): boolean {
    return this.#config.resumption === kind || this.#config.resumption === 'both';
  }
}
