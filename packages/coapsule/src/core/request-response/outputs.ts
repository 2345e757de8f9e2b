/**
 * What the request/response layer wants done, and the queue it waits in.
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import type { OptionReader } from '../coap/option-set.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { Content, ExchangeError, ExchangeId, OutgoingMessage, PeerKey } from './exchange.ts';

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
  /** The answer is not sent: a CON request gets its Empty ACK, if it has none, and nothing more. */
  | { readonly kind: 'suppress-response'; readonly reply: unknown; readonly keepAnswer: boolean }
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
        /** The multicast address it was sent to. */
        readonly group?: PeerAddress;
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
  /** The end of a request to a group: no more responses are taken. */
  | { readonly kind: 'window-ended'; readonly exchange: ExchangeId }
  /**
   * On a reliable transport: nothing came for an observation for as long as its Max-Age and some seconds. The peer
   * should be asked whether it is there (RFC 8323 §7.3). Told again after the same time.
   */
  | { readonly kind: 'observation-quiet'; readonly peer: PeerKey; readonly exchange: ExchangeId }
  /** The end of an Exchange that expects no response, or whose silence means that all may be well (RFC 7967). */
  | { readonly kind: 'sent'; readonly exchange: ExchangeId }
  | { readonly kind: 'exchange-ended'; readonly exchange: ExchangeId };
