/**
 * What an endpoint on reliable transports takes from its surroundings, and what it asks of them.
 *
 * @module
 */

import type { Capabilities } from '../coap/signaling.ts';
import type { ConnectionEnd, ConnectionEndCause } from '../connection/connection-output.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { ExchangeId } from '../request-response/request-response-layer.ts';
import type {
  BodyOutput,
  EndpointOutput,
  IncomingRequest,
  IncomingResponse,
  RequestError,
  RequestId,
} from './outputs.ts';
import type { OscorePeer } from './protected-messages.ts';
import type { TraceEvent } from './trace-event.ts';

/** Names a connection of an endpoint; never used twice. */
export type ConnectionId = number;

/** The remote side of a connection. What a peer does on one connection has nothing to do with another (RFC 8323 §3.3). */
export interface StreamPeer {
  readonly key: string;
  readonly address: PeerAddress;
  readonly connection: ConnectionId;
  /** Whom OSCORE vouches for, behind this connection; without the field nobody. */
  readonly oscore?: OscorePeer<StreamPeer>;
}

/** What the transports of an endpoint tell it. */
export type StreamInput =
  /** The transport that was asked for by `open` is there, secured if it is to be. */
  | { readonly kind: 'opened'; readonly connection: ConnectionId }
  /** Bytes, which belong to the endpoint from here on; over WebSocket one whole message. */
  | { readonly kind: 'received'; readonly connection: ConnectionId; readonly bytes: Uint8Array }
  /** The transport has more to send than it wants to hold. Nothing should be read from it until `drained`. */
  | { readonly kind: 'blocked'; readonly connection: ConnectionId }
  /** A transport that has more than it wants to hold was rid of some of it. */
  | { readonly kind: 'progress'; readonly connection: ConnectionId }
  /** The transport has sent all it was given. */
  | { readonly kind: 'drained'; readonly connection: ConnectionId }
  /** The transport is gone, or could not be opened. */
  | {
      readonly kind: 'closed';
      readonly connection: ConnectionId;
      readonly cause: ConnectionEndCause;
      readonly detail: string;
    };

export type StreamOutput =
  /** Open a transport to `address`; answer with `opened` or `closed`. */
  | { readonly kind: 'open'; readonly connection: ConnectionId; readonly address: PeerAddress }
  | { readonly kind: 'transmit'; readonly connection: ConnectionId; readonly bytes: Uint8Array }
  /** Send what is not sent yet, and close the transport; nothing more is taken from it. */
  | { readonly kind: 'close'; readonly connection: ConnectionId }
  /** The peer's CSM came. */
  | {
      readonly kind: 'connection-established';
      readonly peer: StreamPeer;
      readonly capabilities: Capabilities;
    }
  | { readonly kind: 'connection-ended'; readonly peer: StreamPeer; readonly end: ConnectionEnd }
  | BodyOutput
  /** A request for the application; answer with `StreamEndpoint.respond(exchange, …)`. */
  | {
      readonly kind: 'request';
      readonly exchange: ExchangeId;
      readonly peer: StreamPeer;
      readonly request: IncomingRequest;
    }
  /** Nobody waits for the answer to this exchange any more. */
  | { readonly kind: 'exchange-ended'; readonly exchange: ExchangeId }
  /** `final: false` on a response that starts or continues an observation. */
  | {
      readonly kind: 'response';
      readonly request: RequestId;
      readonly peer: StreamPeer;
      readonly response: IncomingResponse;
      readonly final: boolean;
      /** Only the first block of the body is there; the rest comes as `response-body` outputs. */
      readonly bodyFollows?: boolean;
    }
  /** A request that expects no response was given to the transport. */
  | { readonly kind: 'sent'; readonly request: RequestId }
  | {
      readonly kind: 'pong';
      readonly request: RequestId;
      readonly peer: StreamPeer;
      readonly custody: boolean;
    }
  | { readonly kind: 'request-failed'; readonly request: RequestId; readonly error: RequestError }
  /** As on an endpoint for datagrams (`outputs.ts`). */
  | Extract<EndpointOutput, { kind: 'store-context' }>
  | { readonly kind: 'trace'; readonly event: TraceEvent };
