/**
 * What the request/response layer wants done, and the queue it waits in.
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import type { OptionReader } from '../coap/option-set.ts';
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
  /** The end of an Exchange that expects no response. */
  | { readonly kind: 'sent'; readonly exchange: ExchangeId }
  | { readonly kind: 'exchange-ended'; readonly exchange: ExchangeId };
