/**
 * What one handshake sees of the sessions: those of a server for any client, those of a client for its server.
 *
 * @module
 */

import type { Instant } from '../../foundation/instant.ts';
import type { PeerAddress } from '../../foundation/peer-address.ts';
import type { AssociationId } from '../dtls-output.ts';
import type { ClientSession, ClientSessions } from './client-sessions.ts';
import type {
  IssuedTicket,
  RecalledSession,
  ServerSessions,
  SessionPromise,
  SessionReference,
} from './server-sessions.ts';
import type { SessionState } from './session-state.ts';

/** The sessions of a layer in both roles. */
export interface SessionStores {
  readonly server: ServerSessions;
  readonly client: ClientSessions;
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
    return this.#sessions.promise(takesTickets, isLong);
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
}

/** Client: the session it may offer to its server, at the present time. */
export class SessionsAsClient {
  readonly #sessions: ClientSessions;
  readonly #association: AssociationId;
  readonly #server: PeerAddress;
  readonly #now: () => Instant;

  constructor(sessions: ClientSessions, association: AssociationId, server: PeerAddress, now: () => Instant) {
    this.#sessions = sessions;
    this.#association = association;
    this.#server = server;
    this.#now = now;
  }

  find(serverName: string | undefined): ClientSession | undefined {
    return this.#sessions.find(this.#server, serverName, this.#now());
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
