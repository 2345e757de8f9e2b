/**
 * The settings of the request/response layer with their defaults.
 *
 * RFC 7252 §4.8, RFC 7641 §4.5, RFC 7959 §2. Does not read a setting from anywhere.
 *
 * @module
 */

import { blockSize, isBlockSize, maxSzx, szxOf } from '../coap/block-option.ts';
import type { Code } from '../coap/code.ts';
import type { OptionReader } from '../coap/option-set.ts';
import { baseTokenLength } from '../coap/token-length.ts';
import {
  defaultTransmissionParameters,
  exchangeLifetimeMs,
  maxTransmitWaitMs,
  nonLifetimeMs,
  type TransmissionParameters,
} from '../coap/transmission-parameters.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import type { PeerKey } from './exchange.ts';
import { type QBlockParameters, qBlockParameters } from './q-block-parameters.ts';
import { resourceName } from './resource-key.ts';
import { defaultGroupPolicy, type GroupPolicy } from './response-suppression.ts';

/** What `maxBodyBytes` is asked about: the first block of a request body. */
export interface BodyRequest {
  readonly peer: PeerKey;
  readonly code: Code;
  readonly options: OptionReader;
}

/** Who serves a request, which decides how its options are checked. */
export type RequestRoute =
  /**
   * This server; a request with Proxy-Uri or Proxy-Scheme is answered 5.05. With `options`, those count instead of what
   * came: the request names a proxy, and the server itself as the one it is for (RFC 7252 §5.7.2).
   */
  | { readonly kind: 'origin'; readonly options?: OptionReader }
  /** Another one: the application is a proxy for it, and gets all options that are safe to forward (§5.7.1). */
  | { readonly kind: 'proxy' };

/**
 * | name | unit | default | allowed | RFC |
 * |---|---|---|---|---|
 * | blockSize | bytes | 1024 | 16 … 1024, power of two | 7959 §2.2 |
 * | responseTimeoutMs | ms | 93 000 (MAX_TRANSMIT_WAIT) | > 0 | 7252 §4.8.2 |
 * | emptyAckDelayMs | ms | 500 | 0 … ACK_TIMEOUT / 2 | 7252 §5.2.2 |
 * | exchangeLifetimeMs | ms | 247 000 (EXCHANGE_LIFETIME) | > 0 | 7252 §4.8.2, 7959 §2.4, §2.5 |
 * | confirmableEvery | notifications | 5 | ≥ 1 | 7641 §4.5 |
 * | confirmableAtLeastEveryMs | ms | 86 400 000 (24 h) | > 0, ≤ 24 h | 7641 §4.5 |
 * | notificationsInFlight | messages of one peer | 1 (NSTART) | ≥ 1 | 7641 §4.5.1 |
 * | confirmLastAfterMs | ms | 10 000 | > 0 | 7641 §1.3, §4.5 |
 * | silenceAfterMs | ms | 6 000 (2 · ACK_TIMEOUT · ACK_RANDOM_FACTOR) | > 0 | 7967 §2.1 |
 * | leisureMs | ms | 5 000 (DEFAULT_LEISURE) | ≥ 0 | 7252 §8.2 |
 * | groupWindowMs | ms | 8 000 (DEFAULT_LEISURE + ACK_TIMEOUT · ACK_RANDOM_FACTOR) | ≥ 0 | 7252 §8.2 |
 * | groupTokenReuseMs | ms | 501 000 (MIN_TOKEN_REUSE_TIME) | ≥ 0 | groupcomm-bis §3.1.5 |
 * | qBlock | see there | `QBlockParameters` | | 9177 §7.2 |
 * | reliableTransport | boolean | false | – | 8323 §7 |
 * | nonNotificationSpacingMs | ms, without a measured round trip | 3 000 | ≥ 0 | 7641 §4.5.1 |
 */
export interface RequestResponseConfig {
  /**
   * Messages arrive once, in order, and are not acknowledged: Observe values say nothing, and an observation that was
   * quiet for too long is told by `observation-quiet` and not registered again (RFC 8323 §7.1, §7.3).
   */
  readonly reliableTransport: boolean;
  /**
   * Largest block we send, and the block size we ask peers to use; a request may name a smaller one. 1024 is no limit to
   * BERT blocks (RFC 8323 §6), less than that is.
   */
  readonly blockSize: number;
  /**
   * Largest block for a peer, where records to it carry less, or messages more; the smaller of both counts. Above 1024, over a
   * reliable transport, blocks are BERT ones. Default: no limit.
   */
  readonly blockSizeFor: (peer: PeerKey) => number;
  /** How long to wait for a response after the request was acknowledged, or sent as NON. */
  readonly responseTimeoutMs: number;
  /**
   * How long the application may think before a CON request gets its empty ACK. 500 ms is a quarter of
   * ACK_TIMEOUT: most handlers still get their response piggybacked, and 1.5 s remain for the way here
   * and back before the client would retransmit.
   */
  readonly emptyAckDelayMs: number;
  /**
   * Whether a request is acknowledged together with its answer alone, however long that takes: where the
   * acknowledgement promises that something was made durable. The client retransmits meanwhile. Default: none is.
   */
  readonly acknowledgeWithAnswer: (request: BodyRequest) => boolean;
  /** What `notify` calls the resource of a request; two resources must not have one name. Default: path and query. */
  readonly resourceName: (options: OptionReader) => string;
  /** Who serves a request; options as they came, unchecked. Must not throw. Default: this server. */
  readonly route: (request: BodyRequest) => RequestRoute;
  /** Longest token we choose for a request, or let a caller choose, in bytes; default 8. Above, RFC 8974 is spoken. */
  readonly maxTokenLength: number;
  /**
   * How old an unsafe request may be, in milliseconds, when it is carried out (RFC 9175 §2.3): one that does not prove it
   * by an Echo is answered 4.01, to be repeated. Default: any age will do.
   */
  readonly freshWithinMs: (request: BodyRequest) => number | undefined;
  /** How long an unanswered request, an unfinished body or the rest of a response body is kept. */
  readonly exchangeLifetimeMs: number;
  /** Largest response body a client takes; default 16 MiB. */
  readonly maxResponseBodyBytes: number;
  /** Largest request body the server takes for a request; default 1 MiB for all. `totalRequestBodyBytes` protects the memory. */
  readonly maxBodyBytes: (request: BodyRequest) => number;
  /** Largest body in one message, without Block1; a larger one is answered 4.13 with a block size as hint. Default: no limit. */
  readonly maxPayloadBytes: (request: BodyRequest) => number;
  /** Whether the application takes a body in blocks as it comes, instead of whole. Default: none. */
  readonly streamRequestBody: (request: BodyRequest) => boolean;
  /** Request bodies that the application takes as they come; the one longest without a block goes first. Default 1,000. */
  readonly maxStreamedRequests: number;
  /** Whether requests use Q-Blocks where the server speaks them, unless they say otherwise (RFC 9177 §4.1). Default false. */
  readonly requestQBlocks: boolean;
  /** How Q-Blocks are sent and waited for (RFC 9177). */
  readonly qBlock: QBlockParameters;
  /** Memory of all request bodies under assembly, with 2 KiB and the key for each; the oldest goes first. Default 64 MiB. */
  readonly totalRequestBodyBytes: number;
  /** Request bodies under assembly; the oldest goes first. Default 10,000. */
  readonly maxRequestBodies: number;
  /** Request bodies under assembly for one peer; the oldest goes first. Default 16. */
  readonly maxRequestBodiesPerPeer: number;
  /**
   * Memory of the request bodies under assembly for a peer whose address nothing proves, with 2 KiB and the key for each.
   * A body that is larger waits for the proof, and is answered 4.13 where none comes. Default 64 KiB.
   */
  readonly unprovedRequestBodyBytes: number;
  /** Memory of all response bodies kept for later blocks, as for requests; the least used goes first. Default 64 MiB. */
  readonly totalResponseBodyBytes: number;
  /** Response bodies kept; the least used goes first. Default 10,000. */
  readonly maxResponseBodies: number;
  /** Response bodies kept for one peer; the least used goes first. Default 64. */
  readonly maxResponseBodiesPerPeer: number;
  /** Requests with the application, in total and of one peer; more are answered with 5.03. */
  readonly maxServerExchanges: number;
  readonly maxServerExchangesPerPeer: number;
  /** Own requests and observations that are not finished; more fail at once. */
  readonly maxClientExchanges: number;
  /** Message type of notifications; a NON one is replaced by a CON one as often as RFC 7641 §4.5 asks. */
  readonly notificationType: 'CON' | 'NON';
  /** Whether all notifications of an observer, with this registration, are CON ones. Default: as `notificationType` says. */
  readonly confirmableNotifications: (registration: BodyRequest) => boolean;
  /** Every how many-th notification of an observer is CON. */
  readonly confirmableEvery: number;
  /** An observer that got no CON notification for this long gets one. */
  readonly confirmableAtLeastEveryMs: number;
  /** Whether the first notification is CON: proves that the observer is there and measures the round trip. */
  readonly confirmFirstNotification: boolean;
  /** A NON notification that no newer one follows within this time is followed by a CON one. */
  readonly confirmLastAfterMs: number;
  readonly notificationsInFlight: number;
  readonly nonNotificationSpacingMs: number;
  /** Observe value of the first registration is this plus 1. */
  readonly observeSequenceStart: number;
  readonly maxObservers: number;
  readonly maxObserversPerPeer: number;
  readonly maxObserversPerResource: number;
  /** Memory of all observers: copies of their options and FETCH bodies, and 1.5 KiB each. Default 256 MiB. */
  readonly totalObserverBytes: number;
  /** How long a response is waited for that may be suppressed at the client's own wish (RFC 7967 §2.1). */
  readonly silenceAfterMs: number;
  /** How a request to a group is dealt with; `undefined` passes over it. Default: all are served, and success is told. */
  readonly groupPolicy: (request: BodyRequest) => GroupPolicy | undefined;
  /** The period in which a response to a group is sent at a random moment. */
  readonly leisureMs: number;
  /** Responses to groups that may wait for their moment; more are suppressed. Default 16. */
  readonly maxGroupResponses: number;
  /** How long a client gathers responses to a request to a group. */
  readonly groupWindowMs: number;
  /** How long the token of a request to a group is not used again. */
  readonly groupTokenReuseMs: number;
  /** Devices whose responses to one request to a group are taken; default 10,000. */
  readonly maxGroupResponders: number;
  /** Critical request options the application understands beyond those of RFC 7252 and RFC 7959. */
  readonly criticalOptions: readonly number[];
}

/**
 * The times of the layer that follow from the transmission parameters (RFC 7252 §4.8.2): MAX_TRANSMIT_WAIT for a
 * response, EXCHANGE_LIFETIME for what is kept, a quarter of ACK_TIMEOUT for the empty ACK, and those of groups.
 */
export function requestResponseTimes(
  parameters: TransmissionParameters,
): Pick<
  RequestResponseConfig,
  | 'responseTimeoutMs'
  | 'exchangeLifetimeMs'
  | 'emptyAckDelayMs'
  | 'silenceAfterMs'
  | 'leisureMs'
  | 'groupWindowMs'
  | 'groupTokenReuseMs'
  | 'qBlock'
> {
  const { ackTimeoutMs, ackRandomFactor, defaultLeisureMs, maxLatencyMs } = parameters;
  return {
    responseTimeoutMs: maxTransmitWaitMs(parameters),
    exchangeLifetimeMs: exchangeLifetimeMs(parameters),
    emptyAckDelayMs: ackTimeoutMs / 4,
    silenceAfterMs: 2 * ackTimeoutMs * ackRandomFactor,
    leisureMs: defaultLeisureMs,
    // RFC 7252 §4.8.1 takes ACK_TIMEOUT for a round trip that is longer than most.
    groupWindowMs: defaultLeisureMs + ackTimeoutMs * ackRandomFactor,
    groupTokenReuseMs: nonLifetimeMs(parameters) + maxLatencyMs + maxServerResponseDelayMs,
    qBlock: qBlockParameters(parameters),
  };
}

/** groupcomm-bis §3.1.5: where it is not known, 250 s and a little more, as the time must be greater. */
const maxServerResponseDelayMs = 256_000;

const mebibyte = 1024 * 1024;

/** The defaults. */
const defaultRequestResponseConfig: RequestResponseConfig = Object.freeze({
  reliableTransport: false,
  blockSize: 1024,
  blockSizeFor: () => Infinity,
  ...requestResponseTimes(defaultTransmissionParameters),
  maxResponseBodyBytes: 16 * mebibyte,
  acknowledgeWithAnswer: () => false,
  resourceName,
  route: (): RequestRoute => ({ kind: 'origin' }),
  maxTokenLength: baseTokenLength,
  freshWithinMs: () => undefined,
  maxBodyBytes: () => mebibyte,
  maxPayloadBytes: () => Infinity,
  streamRequestBody: () => false,
  maxStreamedRequests: 1000,
  requestQBlocks: false,
  totalRequestBodyBytes: 64 * mebibyte,
  maxRequestBodies: 10_000,
  maxRequestBodiesPerPeer: 16,
  unprovedRequestBodyBytes: 65_536,
  totalResponseBodyBytes: 64 * mebibyte,
  maxResponseBodies: 10_000,
  maxResponseBodiesPerPeer: 64,
  maxServerExchanges: 10_000,
  maxServerExchangesPerPeer: 256,
  maxClientExchanges: 100_000,
  notificationType: 'NON',
  confirmableNotifications: () => false,
  confirmableEvery: 5,
  confirmableAtLeastEveryMs: 86_400_000,
  confirmFirstNotification: true,
  confirmLastAfterMs: 10_000,
  notificationsInFlight: 1,
  nonNotificationSpacingMs: 3_000,
  observeSequenceStart: 0,
  maxObservers: 100_000,
  maxObserversPerPeer: 1_000,
  maxObserversPerResource: 50_000,
  totalObserverBytes: 256 * mebibyte,
  groupPolicy: () => defaultGroupPolicy,
  maxGroupResponses: 16,
  maxGroupResponders: 10_000,
  criticalOptions: [],
});

/** The defaults with `changes` applied, checked and frozen. Throws `ApiMisuseError` for a value out of range. */
export function requestResponseConfig(changes: Partial<RequestResponseConfig> = {}): RequestResponseConfig {
  const config = Object.freeze({ ...defaultRequestResponseConfig, ...changes });
  if (!isBlockSize(config.blockSize)) {
    throw new ApiMisuseError(`blockSize is ${config.blockSize}; expected 16, 32, 64, 128, 256, 512 or 1024`);
  }
  for (const [name, value] of Object.entries(config)) {
    if (typeof value === 'number' && !(value >= 0)) {
      throw new ApiMisuseError(`${name} is ${value}; expected a number of 0 or more`);
    }
  }
  if (config.notificationsInFlight < 1) {
    throw new ApiMisuseError(`notificationsInFlight is ${config.notificationsInFlight}; expected 1 or more`);
  }
  if (config.confirmableAtLeastEveryMs > 86_400_000 || config.confirmableAtLeastEveryMs <= 0) {
    throw new ApiMisuseError(
      `confirmableAtLeastEveryMs is ${config.confirmableAtLeastEveryMs}; expected 1 to 86400000, one day`,
    );
  }
  return config;
}

/**
 * Bytes in the largest block for a peer: 16 … 1024, a power of two, or a multiple of 1024 where the transport is reliable and
 * blocks are to be BERT ones (RFC 8323 §6).
 *
 * @param wanted The limit of one request.
 */
export function largestBlock(
  config: RequestResponseConfig,
  peer: PeerKey,
  wanted: number = Infinity,
): number {
  const plain = blockSize(maxSzx);
  const limit = Math.min(
    wanted,
    config.blockSize < plain ? config.blockSize : Infinity,
    config.blockSizeFor(peer),
  );
  const mayBeBert = config.reliableTransport && limit < Infinity && limit >= 2 * plain;
  return mayBeBert ? limit - (limit % plain) : blockSize(szxOf(limit));
}
