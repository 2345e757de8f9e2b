/**
 * What an endpoint asks of its surroundings: the union that `Endpoint.poll` returns.
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import type { OptionReader } from '../coap/option-set.ts';
import type { ConnectionEnd } from '../connection/connection-output.ts';
import type { DtlsOutput, HandshakeFailure } from '../dtls/dtls-layer.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { QueueOptions } from '../message-layer/message-layer.ts';
import type { ExchangeError, ExchangeId } from '../request-response/request-response-layer.ts';
import type { Peer } from './peer.ts';
import type { TraceEvent } from './trace-event.ts';

/** Names a request this endpoint makes, from `Endpoint.request` or `Endpoint.ping`, until its last output. */
export type RequestId = number;

/** A request to send, without what the layers choose. */
export interface OutgoingRequest extends QueueOptions {
  readonly code: Code;
  readonly options: OptionReader;
  /** The whole body; it goes block-wise when it is larger than `blockSize` (RFC 7959). */
  readonly payload: Uint8Array;
  readonly type: 'CON' | 'NON';
  /** 0 to 8 bytes; chosen by the endpoint when absent. */
  readonly token?: Uint8Array;
  readonly blockSize?: number;
  /** Registers as an observer (RFC 7641). */
  readonly observe?: boolean;
  /** A proxy asks: options of the response that are safe to forward need not be understood (RFC 7252 §5.7.1). */
  readonly forwarded?: boolean;
  /** False with NON: ends with `sent` when it goes out, and a response is not waited for. */
  readonly expectResponse?: boolean;
  /** Gives up when no response came by then; counted from the moment the request can be sent. */
  readonly timeoutMs?: number;
  /** While the server wants to be left alone: fail at once (default), wait until it is over, or send all the same. */
  readonly whenBusy?: 'fail' | 'wait' | 'send';
}

/** A request for all members of a group (RFC 7252 §8); it is sent NON. */
export interface OutgoingGroupRequest
  extends Pick<OutgoingRequest, 'code' | 'options' | 'payload' | 'token' | 'blockSize' | 'observe'> {
  /** How long responses are gathered; by default Leisure and round trips, 8 s. Without meaning with `observe`. */
  readonly windowMs?: number;
}

/** A response with its whole body. */
export interface IncomingResponse {
  readonly code: Code;
  readonly options: OptionReader;
  readonly payload: Uint8Array;
}

/** A request for the application, with its whole body. */
export interface IncomingRequest {
  readonly code: Code;
  readonly options: OptionReader;
  readonly payload: Uint8Array;
  readonly token: Uint8Array;
  /** Of the message that completed the request; none on a reliable transport. */
  readonly messageId: number | undefined;
  readonly confirmable: boolean;
  readonly observe?: 'register' | 'deregister';
  /** Asked again because the resource changed: the answer is a notification for this observer. */
  readonly refresh: boolean;
  /** The multicast address it was sent to (RFC 7252 §8). */
  readonly group?: PeerAddress;
}

/** What a server answers that asks for time. */
export type BackOffCode = typeof Code.ServiceUnavailable | typeof Code.TooManyRequests;

/** Why a request has no response. */
export type RequestError =
  | { readonly kind: 'exchange'; readonly failure: ExchangeError; readonly detail?: string }
  | { readonly kind: 'handshake'; readonly failure: HandshakeFailure }
  | { readonly kind: 'association-closed'; readonly reason: string }
  /** Not sent: the server answered 5.03 or 4.29 before, and its Max-Age is not over. */
  | { readonly kind: 'back-off'; readonly code: BackOffCode; readonly retryAfterMs: number }
  /** Over a reliable transport: the connection it was sent on, or waited for. */
  | { readonly kind: 'connection-ended'; readonly end: ConnectionEnd }
  /** A later request took its place before it was sent (`QueueOptions.replaces`). */
  | { readonly kind: 'superseded' };

export type EndpointOutput =
  | { readonly kind: 'transmit'; readonly address: PeerAddress; readonly datagram: Uint8Array }
  /** A request for the application; answer with `Endpoint.respond(exchange, …)`. */
  | {
      readonly kind: 'request';
      readonly exchange: ExchangeId;
      readonly peer: Peer;
      readonly request: IncomingRequest;
    }
  /** Nobody waits for the answer to this exchange any more. */
  | { readonly kind: 'exchange-ended'; readonly exchange: ExchangeId }
  /** `final: false` on a response that starts or continues an observation, or of one of a group's devices. */
  | {
      readonly kind: 'response';
      readonly request: RequestId;
      readonly peer: Peer;
      readonly response: IncomingResponse;
      readonly final: boolean;
    }
  /** The last output of a request to a group, unless it fails: no more responses are taken. */
  | { readonly kind: 'window-ended'; readonly request: RequestId }
  /** A request that expects no response was sent, or one that allows for silence had none in time (RFC 7967). */
  | { readonly kind: 'sent'; readonly request: RequestId }
  | { readonly kind: 'pong'; readonly request: RequestId; readonly peer: Peer }
  | { readonly kind: 'request-failed'; readonly request: RequestId; readonly error: RequestError }
  /** Answer with `Endpoint.answerPskLookup` or `Endpoint.answerPeerVerification`, now or later. */
  | Extract<
      DtlsOutput,
      { kind: 'psk-lookup' | 'verify-peer' | 'connected' | 'closed' | 'handshake-failed' | 'keylog' }
    >
  /** `Peer.address` has changed already. */
  | Extract<DtlsOutput, { kind: 'address-changed' | 'out-of-step' }>
  /** With `keepAssociations`: to be stored, in this order (`dtls-output.ts`). */
  | Extract<DtlsOutput, { kind: 'keep-association' | 'reserve-sequence' | 'advance-edge' }>
  | { readonly kind: 'trace'; readonly event: TraceEvent };
