/**
 * What carries messages under OSCORE, as far as their road must know: peers, and how a message goes or is answered.
 *
 * One for datagrams (`datagram-oscore.ts`) and one for reliable transports (`stream-oscore.ts`).
 *
 * @module
 */

import type { MessageContent } from '../coap/message-view.ts';
import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { OscoreOutput } from '../oscore/oscore-layer.ts';
import type { ClientSecurity, ServerSecurity } from '../oscore/peer-security.ts';
import type { ReceivedMessage } from '../request-response/exchange.ts';
import type {
  RequestResponseLayer,
  RequestResponseOutput,
} from '../request-response/request-response-layer.ts';
import type { OscoreExchanges } from './oscore-exchanges.ts';

/** Who is behind a peer under OSCORE: the same endpoint, or a proxy on the way to it. */
export interface OscoreVia {
  readonly key: string;
  readonly address: PeerAddress;
}

/** A peer that messages are protected with from end to end (RFC 8613). */
export interface OscorePeer<Via extends OscoreVia = OscoreVia> {
  readonly via: Via;
  /** Who it is, as the contexts say: of the provider of a server, or what the client's request was given. */
  readonly security: ClientSecurity | ServerSecurity;
  /** What requests to it are protected with; absent when it is known as a client only. */
  readonly client: ClientSecurity | undefined;
}

/** A protected request that came. */
export interface ProtectedArrival<Via extends OscoreVia = OscoreVia> {
  readonly via: Via;
  readonly message: ReceivedMessage;
  /** What its answers are known by: an object of its own for each request. */
  readonly reply: object;
}

/** What the request/response layer wants sent to a peer under OSCORE. */
export type ProtectedDispatch = Extract<RequestResponseOutput, { kind: 'send-request' | 'send-response' }>;

/** An OSCORE output that asks for a record to be stored. */
export type StoreOutput = Extract<OscoreOutput<ProtectedArrival, ProtectedDispatch>, { kind: 'store' }>;

/** See the module comment. */
export interface OscoreCarrier<Via extends OscoreVia> {
  readonly oscore: OscoreExchanges<Via>;
  readonly exchanges: RequestResponseLayer;
  /** The peer under OSCORE with this key; `undefined` when it was forgotten. */
  peerUnderOscore(key: string): OscorePeer<Via> | undefined;
  /** The key of the peer that `security` is for, behind `via`. */
  keyUnderOscore(via: Via, security: ServerSecurity): string;
  /** An answer that is not the application's. */
  answer(arrival: ProtectedArrival<Via>, message: MessageContent, now: Instant): void;
  /** A protected message; its peer is the one behind. */
  send(output: ProtectedDispatch, now: Instant): void;
  /** A request is not answered. */
  leaveUnanswered(reply: object, now: Instant): void;
  /** Something was dropped or refused. For traces. */
  discarded(via: Via, reason: string): void;
  /** For the application. */
  store(output: StoreOutput): void;
}
