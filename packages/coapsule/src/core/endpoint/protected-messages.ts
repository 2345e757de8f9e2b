/**
 * Peers and messages under OSCORE, as an endpoint passes them on.
 *
 * RFC 8613. What is kept of them is in `oscore-exchanges.ts` and `oscore-peers.ts`.
 *
 * @module
 */

import type { PeerAddress } from '../foundation/peer-address.ts';
import type { PendingRequest } from '../oscore/oscore-layer.ts';
import type { ClientSecurity, ServerSecurity } from '../oscore/peer-security.ts';
import type { ServerBinding } from '../oscore/request-binding.ts';
import type { ExchangeId, ReceivedMessage } from '../request-response/exchange.ts';
import type { RequestResponseOutput } from '../request-response/request-response-layer.ts';

/** Who is behind a peer under OSCORE: the same endpoint, or a proxy on the way to it. */
export interface OscoreVia {
  readonly key: string;
  readonly address: PeerAddress;
}

/** A peer that messages are protected with from end to end (RFC 8613). */
export interface OscorePeer<Via extends OscoreVia = OscoreVia> {
  /** The latest of what carries its messages. */
  via: Via;
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
  readonly reply: NotedReply;
}

/** What the answers to a request are known by, with room for what is kept for them. */
export interface NotedReply {
  note: unknown;
}

/** What is kept of a request under OSCORE for its answers. */
export interface ReplyNote {
  /** Once it is verified. */
  readonly binding: ServerBinding | undefined;
  /** The Exchange that it came by in Outer blocks, and is answered by. */
  readonly outside: ExchangeId | undefined;
}

/** What is kept for the answers that are known by `reply`; `undefined` where it is of no request under OSCORE. */
export function noteOf(reply: unknown): ReplyNote | undefined {
  // Nobody else writes it.
  return (reply as NotedReply | undefined)?.note as ReplyNote | undefined;
}

/** What the request/response layer wants sent to a peer under OSCORE. */
export type ProtectedDispatch = Extract<RequestResponseOutput, { kind: 'send-request' | 'send-response' }>;

/** A request of ours that waits for responses. */
export type ProtectedRequest = PendingRequest<ProtectedDispatch>;
