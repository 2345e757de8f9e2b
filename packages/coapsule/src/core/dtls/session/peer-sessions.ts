/**
 * What one handshake sees of the sessions: those of a server for any client, those of a client for its server.
 *
 * @module
 */

import type { CryptoProvider } from '../../foundation/crypto-provider.ts';
import type { Instant } from '../../foundation/instant.ts';
import type { PeerAddress } from '../../foundation/peer-address.ts';
import type { RandomSource } from '../../foundation/random-source.ts';
import type { CheckedDtlsConfig } from '../dtls-config.ts';
import type { AssociationId } from '../dtls-output.ts';
import { type ClientSession, ClientSessions } from './client-sessions.ts';
import {
  type IssuedTicket,
  type RecalledSession,
  ServerSessions,
  type SessionPromise,
  type SessionReference,
} from './server-sessions.ts';
import type { SessionState } from './session-state.ts';

/** The sessions of a layer in both roles. */
export class SessionStores {
  readonly server: ServerSessions;
  readonly client: ClientSessions;

  constructor(
    crypto: CryptoProvider,
    random: RandomSource,
    config: Pick<CheckedDtlsConfig, 'resumption' | 'maxSessions' | 'sessionLifetimeMs'>,
  ) {
    this.server = new ServerSessions(crypto, random, config);
    const maxSessions = config.resumption === 'off' ? 0 : config.maxSessions;
    this.client = new ClientSessions(maxSessions, config.sessionLifetimeMs);
  }

  /** An association ended by a fatal alert: its session must not go on (RFC 5246 §7.2.2). */
  forget(association: AssociationId): void {
    this.server.forget(association);
    this.client.forgetOf(association);
  }
}

/** Server: the sessions it may go on with, at the present time. */
export class SessionsAsServer {
  readonly #sessions: ServerSessions;
  readonly #association: AssociationId;
  readonly #now: () => Instant;

  constructor(sessions: ServerSessions, association: AssociationId, now: () => Instant) {
    this.#sessions = sessions;
    this.#association = association;
    this.#now = now;
  }

  recall(reference: SessionReference): RecalledSession | undefined {
    return this.#sessions.recall(reference, this.#now());
  }

  promise(takesTickets: boolean, isLong: boolean): SessionPromise {
    return this.#sessions.promise(takesTickets, isLong, this.#now());
  }

  issueTicket(session: SessionState): IssuedTicket | undefined {
    return this.#sessions.issueTicket(session, this.#now());
  }

  remember(sessionId: Uint8Array, session: SessionState): void {
    this.#sessions.remember(sessionId, session, this.#association, this.#now());
  }

  noteResumed(sessionId: Uint8Array): void {
    this.#sessions.noteResumed(sessionId, this.#association);
  }

  forget(sessionId: Uint8Array): void {
    this.#sessions.remove(sessionId);
  }
}

/** Client: the session it may offer to its server, at the present time. */
export class SessionsAsClient {
  readonly #sessions: ClientSessions;
  readonly #association: AssociationId;
  readonly #server: PeerAddress;
  readonly #now: () => Instant;
  #offered: { readonly serverName: string | undefined } | undefined;

  constructor(sessions: ClientSessions, association: AssociationId, server: PeerAddress, now: () => Instant) {
    this.#sessions = sessions;
    this.#association = association;
    this.#server = server;
    this.#now = now;
  }

  find(serverName: string | undefined): ClientSession | undefined {
    return this.#sessions.find(this.#server, serverName, this.#now());
  }

  /** The session of this name is in our ClientHello. */
  noteOffered(serverName: string | undefined): void {
    this.#offered = { serverName };
  }

  /** The handshake failed in a way that the offered session may have a part in: the next one is a full one. */
  forgetOffered(): void {
    if (this.#offered !== undefined) this.forget(this.#offered.serverName);
  }

  remember(session: ClientSession): void {
    this.#sessions.remember(this.#server, session, this.#association, this.#now());
  }

  noteResumed(serverName: string | undefined): void {
    this.#sessions.noteResumed(this.#server, serverName, this.#association);
  }

  forget(serverName: string | undefined): void {
    this.#sessions.forget(this.#server, serverName);
  }
}
