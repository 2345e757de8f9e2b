/**
 * One Exchange: a request with all its responses. The word is used but not defined by RFC 7252; here an
 * observation is one Exchange too (its notifications are further responses), and so is a block-wise
 * operation with all its messages.
 *
 * RFC 7252 §5.2. Holds the types only; what happens in an Exchange is in `client-role.ts` and `server-role.ts`.
 *
 * @module
 */

import type { BlockOption } from '../coap/block-option.ts';
import type { Code } from '../coap/code.ts';
import type { OptionReader, OptionSet } from '../coap/option-set.ts';
import type { Block1Upload } from './block1-transfer.ts';
import type { Block2Download } from './block2-transfer.ts';
import type { Observation } from './observe-client.ts';

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
  /** Bounds the whole request; of an observation, up to its first response. */
  readonly timeoutMs?: number;
  /** Whether the peer is reached through a security layer without request/response binding (RFC 9175 §4.2). */
  readonly secure: boolean;
}

/** What the application answers. */
export interface ServerResponse extends Content {
  /** The application accepts the registration; `false` on a refresh ends the observation. */
  readonly observe?: boolean;
  /** Whether the message layer must keep the answer for duplicates of the request. */
  readonly keepAnswer: boolean;
}

/** Why a client's Exchange ended without a final response. */
export type ExchangeError =
  | 'timeout'
  | 'reset'
  | 'peer-closed'
  | 'cancelled'
  | 'blockwise'
  | 'body-too-large'
  | 'bad-option'
  | 'token-in-use'
  | 'too-many-exchanges';

/** Client side of an Exchange. */
export interface ClientExchange {
  readonly kind: 'client';
  readonly id: ExchangeId;
  readonly peer: PeerKey;
  readonly secure: boolean;
  readonly code: Code;
  readonly type: 'CON' | 'NON';
  /** The caller's options, with Observe when an observation is wanted. */
  readonly options: OptionSet;
  readonly payload: Uint8Array;
  /** Largest size exponent to use and to ask for. */
  readonly szx: number;
  /** The caller gave the token: all messages of the Exchange carry it. */
  readonly ownToken: boolean;
  /** The token of the latest request message, or of the observation. */
  token: Uint8Array;
  /** A request message is with the message layer. */
  outstanding: boolean;
  upload?: Block1Upload;
  /** Set while an upload has to be told from others to the same resource (RFC 9175 §3.5.2). */
  uploadKey?: string;
  download?: Block2Download;
  observation?: Observation;
  /** `cancel` was called on an observation: the next answer ends the Exchange. */
  deregistering: boolean;
  /** The Exchange fetches the rest of a notification's body for this observation. */
  readonly parent?: ClientExchange;
  /** The fetch of a notification's body in progress. */
  fetch?: ClientExchange;
}

/** Server side of an Exchange. */
export interface ServerExchange {
  readonly kind: 'server';
  readonly id: ExchangeId;
  readonly peer: PeerKey;
  readonly code: Code;
  readonly options: OptionReader;
  readonly payload: Uint8Array;
  readonly token: Uint8Array;
  /** The message layer's handle for the answer. */
  readonly reply: unknown;
  readonly confirmable: boolean;
  /** An empty ACK was sent: the response will be a separate one. */
  acknowledged: boolean;
  /** The last block of a body that came block-wise, to be acknowledged in the response (RFC 7959 §2.3). */
  readonly block1: BlockOption | undefined;
  /** The block of the response the client asked for. */
  readonly block2: BlockOption | undefined;
  readonly observe: 'register' | 'deregister' | undefined;
  /** The resource changed since the application was asked: a registration is followed by a notification. */
  changed: boolean;
}

/** What the layer wants done. */
export type RequestResponseOutput =
  | {
      readonly kind: 'send-request';
      readonly peer: PeerKey;
      readonly exchange: ExchangeId;
      readonly type: 'CON' | 'NON';
      readonly message: OutgoingMessage;
    }
  | {
      readonly kind: 'send-response';
      readonly peer: PeerKey;
      readonly exchange: ExchangeId;
      /** Absent: a notification. */
      readonly reply?: unknown;
      readonly type?: 'CON' | 'NON';
      readonly message: OutgoingMessage;
      readonly keepAnswer: boolean;
    }
  | { readonly kind: 'acknowledge'; readonly reply: unknown }
  | { readonly kind: 'stop-request'; readonly exchange: ExchangeId }
  | {
      readonly kind: 'request';
      readonly peer: PeerKey;
      readonly exchange: ExchangeId;
      /** The message layer's handle of the message that completed the request. */
      readonly reply: unknown;
      readonly request: {
        readonly code: Code;
        readonly options: OptionReader;
        /** The whole body. */
        readonly payload: Uint8Array;
        readonly token: Uint8Array;
        readonly observe?: 'register' | 'deregister';
        /** Asked again for an observer, with the Exchange of the registration. */
        readonly refresh: boolean;
      };
    }
  | {
      readonly kind: 'response';
      readonly peer: PeerKey;
      readonly exchange: ExchangeId;
      /** With the whole body. */
      readonly response: Content;
      /** Nothing follows for this Exchange. */
      readonly final: boolean;
    }
  | {
      readonly kind: 'failed';
      readonly exchange: ExchangeId;
      readonly error: ExchangeError;
      /** What happened, in words, where the error alone does not say it. */
      readonly detail?: string;
    }
  | { readonly kind: 'exchange-ended'; readonly exchange: ExchangeId };

/** Outputs that wait to be polled, first in, first out. */
export class OutputQueue {
  #items: RequestResponseOutput[] = [];
  #next = 0;

  push(output: RequestResponseOutput): void {
    this.#items.push(output);
  }

  poll(): RequestResponseOutput | undefined {
    const item = this.#items[this.#next];
    if (item === undefined) return undefined;
    this.#next++;
    if (this.#next === this.#items.length) {
      this.#items = [];
      this.#next = 0;
    }
    return item;
  }
}
