/**
 * One Exchange: a request with all its responses. The word is used but not defined by RFC 7252; here an
 * observation is one Exchange too (its notifications are further responses), and so is a block-wise
 * operation with all its messages.
 *
 * RFC 7252 §5.2. Holds the types only; what happens in an Exchange is in `client-role.ts` and `server-role.ts`,
 * and the state of its client side in `client-exchange.ts`.
 *
 * @module
 */

import type { BlockOption } from '../coap/block-option.ts';
import type { Code } from '../coap/code.ts';
import type { MessageContent, MessageType } from '../coap/message-view.ts';
import type { OptionReader } from '../coap/option-set.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { UploadPosition } from './block1-upload.ts';
import type { BodySource, OutgoingBody } from './outgoing-body.ts';
import type { QBlock2Wish } from './q-block-request.ts';
import type { GroupPolicy } from './response-suppression.ts';

/** One CoAP endpoint: an address, or a security association. Chosen by the caller; never looked into. */
export type PeerKey = string;

/** Names an Exchange of this layer; never used twice. */
export type ExchangeId = number;

/** Code, options and payload of a request or response, without what the message layer adds. */
export interface Content {
  readonly code: Code;
  readonly options: OptionReader;
  readonly payload: Uint8Array;
}

/** A received message, as far as this layer looks at it. On a reliable transport it has no type (RFC 8323 §3.1). */
export interface ReceivedMessage extends MessageContent {
  readonly type?: MessageType;
  /** Of a request: its security takes one response only, so there are no sets of blocks (RFC 8613 §7.4). */
  readonly oneResponse?: boolean;
  /**
   * The request is an OSCORE message, all or a block of it: what is asked of requests is asked of the one inside, and no body
   * of it is larger than `maxUnfragmentedSize` (RFC 8613 §4.1.3.4.2).
   */
  readonly isCiphertext?: boolean;
}

/**
 * MAX_UNFRAGMENTED_SIZE of what is put together from Outer blocks, in bytes (RFC 8613 §4.1.3.4.2): what is longer is discarded.
 * As much as is taken of anybody, and more than peers send without Inner blocks.
 */
export const maxUnfragmentedSize = 65_536;

/** A response whose body may be one that is handed over as it is sent; then `payload` is empty. */
export interface Representation extends Content {
  readonly body?: OutgoingBody;
}

/** A message for the message layer to send. */
export interface OutgoingMessage extends Content {
  /** 0 … 8 bytes. */
  readonly token: Uint8Array;
}

/** What a client asks for. */
export interface ClientRequest extends Content {
  readonly type: 'CON' | 'NON';
  /** The caller's own token, 0 … 8 bytes; without it the layer chooses (RFC 7252 §5.3.1). */
  readonly token?: Uint8Array;
  /** Block size to use and to ask for, 16 … 1024 bytes. */
  readonly blockSize?: number;
  /** Register as an observer (RFC 7641); GET and FETCH only. */
  readonly observe?: boolean;
  /**
   * Bounds the whole request; of an observation, up to its first response. With `streamResponse` up to the first block of the
   * response, and anew from each block of a `body` that the server has taken.
   */
  readonly timeoutMs?: number;
  /**
   * Travels in the token (RFC 8974 §3): the Exchange ends with `sent`, and the response comes as `stateless-response` with
   * it. As long as it is not known that the server takes such tokens, the request is an Exchange like any other (§3.2).
   */
  readonly state?: Uint8Array;
  /**
   * False: nobody waits for a response to this NON request, such as a measurement. The Exchange ends with `sent`
   * as soon as its message is with the message layer. Ignored for CON.
   */
  readonly expectResponse?: boolean;
  /** A proxy asks: critical options of the response that are safe to forward are the client's matter (RFC 7252 §5.7.1). */
  readonly forwarded?: boolean;
  /** The body instead of `payload`, handed over as it is sent (RFC 7959). Not for an observation. */
  readonly body?: BodySource;
  /** Hand the response's body over block by block: the next one is asked for by `continueBody` only. */
  readonly streamResponse?: boolean;
  /** This one block of the response's body, and no more of it. */
  readonly singleBlock?: { readonly num: number; readonly size: number };
  /** Give a body in blocks a Request-Tag of its own, so that it can go on after a failure: see `resume`. */
  readonly resumable?: boolean;
  /** Go on with a body where another Exchange ended. From the start if the server does not know it any more. */
  readonly resume?: UploadPosition;
  /**
   * Send and take bodies in Q-Blocks, where the server speaks them (RFC 9177); the default is in the config. Ignored where
   * that cannot be: for bodies that are handed over, one block, a token or Request-Tag of the caller's, and requests that
   * allow for silence or are passed on.
   */
  readonly qBlock?: boolean;
  /** Whether the peer is reached through a security layer without request/response binding (RFC 9175 §4.2). */
  readonly secure: boolean;
}

/** What the application answers. */
export interface ServerResponse extends Content {
  /** The application accepts the registration; `false` on a refresh ends the observation. */
  readonly observe?: boolean;
  /**
   * Whether the message layer must keep the answer for duplicates of the request. False: a safe request may be
   * carried out again; one of an unsafe method had no effect, as with 4.04 or 4.05.
   */
  readonly keepAnswer: boolean;
  /** The body instead of `payload`, handed over as it is sent (RFC 7959). */
  readonly body?: BodySource;
}

/** What the application answers, of whose body the first block to send is there. */
export interface ReadyResponse extends Representation {
  readonly observe?: boolean;
  readonly keepAnswer: boolean;
}

/** What a client asks all members of a group for (RFC 7252 §8). Always NON. */
export interface GroupRequest extends Content {
  /** The caller's own token, 0 … 8 bytes; without it the layer chooses. */
  readonly token?: Uint8Array;
  /** Block size to ask for, 16 … 1024 bytes. */
  readonly blockSize?: number;
  /** Register as an observer with each member (groupcomm-bis §3.7); GET and FETCH only. No window then. */
  readonly observe?: boolean;
  /** How long responses are gathered, from the moment the request is sent; by default Leisure and round trips. */
  readonly windowMs?: number;
}

/** Why a client's Exchange ended without a final response. */
export type ExchangeError =
  | 'timeout'
  | 'reset'
  | 'peer-closed'
  | 'cancelled'
  | 'blockwise'
  | 'body-too-large'
  /** A message of it is larger than the peer takes. */
  | 'message-too-large'
  /** The application's body could not be handed over, or is not as long as it was announced. */
  | 'body-source'
  | 'bad-option'
  /** The request was protected by OSCORE, and what came as an answer was not. */
  | 'unprotected-response'
  /** OSCORE could not protect the request. */
  | 'cannot-protect'
  | 'token-in-use'
  | 'too-many-exchanges';

/**
 * What became of a response: `matched` to an Exchange; `unmatched`, as its token belongs to none (RFC 7252
 * §5.3.2); or `rejected` for a critical option, which has ended its Exchange (§5.4.1).
 */
export type ResponseFate = 'matched' | 'unmatched' | 'rejected';

/** Where a request came to that was sent to a group (RFC 7252 §8), and how it is dealt with. */
export interface GroupOrigin {
  /** The multicast address. */
  readonly address: PeerAddress;
  readonly policy: GroupPolicy;
}

/** Server side of an Exchange. */
export interface ServerExchange {
  readonly kind: 'server';
  readonly id: ExchangeId;
  readonly peer: PeerKey;
  readonly code: Code;
  readonly options: OptionReader;
  readonly payload: Uint8Array;
  /** Of the message to answer, as `reply` and `confirmable`: the latest block of a body that is handed over. */
  token: Uint8Array;
  /** The message layer's handle for the answer. */
  reply: unknown;
  confirmable: boolean;
  /** An empty ACK was sent: the response will be a separate one. */
  acknowledged: boolean;
  /** The last block of a body that came block-wise, to be acknowledged in the response (RFC 7959 §2.3). */
  block1: BlockOption | undefined;
  /** The block of the response the client asked for. */
  readonly block2: BlockOption | undefined;
  /** The last block of a body in Q-Blocks (RFC 9177). */
  readonly qBlock1?: BlockOption | undefined;
  /** The Q-Blocks of the response the client asked for. */
  readonly wish?: QBlock2Wish | undefined;
  readonly observe: 'register' | 'deregister' | undefined;
  /** Of a request that came by multicast. */
  readonly group?: GroupOrigin | undefined;
  /** The application has answered, and the first part of its body is waited for. */
  body?: OutgoingBody;
  /** The resource changed since the application was asked: a registration is followed by a notification. */
  changed: boolean;
}
