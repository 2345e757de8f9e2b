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
import type { StoreId } from '../oscore/oscore-layer.ts';
import type { ClientSecurity } from '../oscore/peer-security.ts';
import type { ContextRecord, SecurityContext } from '../oscore/security-context.ts';
import type {
  BodySource,
  ExchangeError,
  ExchangeId,
  RequestResponseOutput,
  UploadPosition,
} from '../request-response/request-response-layer.ts';
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
  /**
   * The request is to be forgotten: this travels in its token, and comes back with the response as `stateless-response`
   * (RFC 8974 §3). It ends with `sent` when it goes out, Non-confirmable; nobody tells when no response comes, and nothing
   * is repeated, fetched in blocks or observed. At most `maxTokenLength` less 18 bytes; `crypto` is needed. The first
   * requests to a server, which find out whether it takes such tokens, are remembered (§3.2): those fail as any other.
   */
  readonly state?: Uint8Array;
  readonly blockSize?: number;
  /** Registers as an observer (RFC 7641). */
  readonly observe?: boolean;
  /** Bodies in Q-Blocks where the server speaks them (RFC 9177), or not; without it as `requestQBlocks` says. */
  readonly qBlock?: boolean;
  /** Protects the request from end to end (RFC 8613); its responses are taken only if they are, too. */
  readonly oscore?: ClientSecurity;
  /** A proxy asks: options of the response that are safe to forward need not be understood (RFC 7252 §5.7.1). */
  readonly forwarded?: boolean;
  /** False with NON: ends with `sent` when it goes out, and a response is not waited for. */
  readonly expectResponse?: boolean;
  /** The body instead of `payload`: asked for by `body-wanted` as it is sent. Not for an observation. */
  readonly body?: BodySource;
  /** Hand the response's body over block by block, each after `Endpoint.continueBody`. */
  readonly streamResponse?: boolean;
  /** This one block of the response's body, and no more of it (RFC 7959 §2.4). */
  readonly singleBlock?: { readonly num: number; readonly size: number };
  /** Give a body in blocks a Request-Tag of its own, so that another request can go on with it. */
  readonly resumable?: boolean;
  /** Go on with the body of a request that failed. */
  readonly resume?: UploadPosition;
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

/** A request for the application, with its whole body; or the first block of it, if `bodyFollows`. */
export interface IncomingRequest {
  readonly code: Code;
  readonly options: OptionReader;
  readonly payload: Uint8Array;
  /** The rest comes as `request-body` outputs, each after `Endpoint.continueBody`. */
  readonly bodyFollows?: boolean;
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
  | {
      readonly kind: 'exchange';
      readonly failure: ExchangeError;
      readonly detail?: string;
      /** How far a `resumable` body has come. */
      readonly upload?: UploadPosition;
    }
  | { readonly kind: 'handshake'; readonly failure: HandshakeFailure }
  | { readonly kind: 'association-closed'; readonly reason: string }
  /** Not sent: the server answered 5.03 or 4.29 before, and its Max-Age is not over. */
  | { readonly kind: 'back-off'; readonly code: BackOffCode; readonly retryAfterMs: number }
  /** Over a reliable transport: the connection it was sent on, or waited for. Sent, it may have been carried out. */
  | { readonly kind: 'connection-ended'; readonly end: ConnectionEnd; readonly wasSent: boolean }
  /** A later request took its place before it was sent (`QueueOptions.replaces`). */
  | { readonly kind: 'superseded' };

/** What an endpoint has to say about bodies that are handed over, or taken, as they go (RFC 7959). */
export type BodyOutput =
  /** The next bytes of a request's body, and whether they are the last. */
  | {
      readonly kind: 'request-body';
      readonly exchange: ExchangeId;
      readonly payload: Uint8Array;
      readonly last: boolean;
    }
  /** The next bytes of a response's body, and whether they are the last. */
  | {
      readonly kind: 'response-body';
      readonly request: RequestId;
      readonly payload: Uint8Array;
      readonly last: boolean;
      /** Nothing follows of the request; with `last` only, and not of an observation that goes on. */
      readonly final: boolean;
    }
  /** The rest of a notification's body will not come. */
  | { readonly kind: 'response-body-aborted'; readonly request: RequestId; readonly detail: string }
  /** Answer with `provideBody` or `failBody` of the endpoint; `body-released`: nothing of it is wanted any more. */
  | Extract<RequestResponseOutput, { kind: 'body-wanted' | 'body-released' }>;

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
  | BodyOutput
  /** `final: false` on a response that starts or continues an observation, or of one of a group's devices. */
  | {
      readonly kind: 'response';
      readonly request: RequestId;
      readonly peer: Peer;
      readonly response: IncomingResponse;
      readonly final: boolean;
      /** Only the first block of the body is there; the rest comes as `response-body` outputs. */
      readonly bodyFollows?: boolean;
    }
  /**
   * The response to a request with `state`. `request` while it is not known whether the server takes such tokens; otherwise
   * its last output was `sent`.
   */
  | {
      readonly kind: 'stateless-response';
      readonly request?: RequestId;
      readonly peer: Peer;
      readonly state: Uint8Array;
      readonly response: IncomingResponse;
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
  /**
   * To be stored, in this order, and answered by `Endpoint.contextStored` or `Endpoint.contextStoringFailed`: messages wait
   * for it. With its ID Context where that changes (`SecurityContext`, RFC 8613 Appendix B.2).
   */
  | {
      readonly kind: 'store-context';
      readonly store: StoreId;
      readonly context: SecurityContext;
      readonly record: ContextRecord;
    }
  /** For the endpoint that has what is under OSCORE (`peer-share.ts`); decrypted, if it came by DTLS. A view. */
  | { readonly kind: 'message-elsewhere'; readonly peer: Peer; readonly datagram: Uint8Array }
  | { readonly kind: 'trace'; readonly event: TraceEvent };
