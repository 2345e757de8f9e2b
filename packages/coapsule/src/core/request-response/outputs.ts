/**
 * What the request/response layer wants done, and the queue it waits in.
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import type { OptionReader } from '../coap/option-set.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import type { UploadPosition } from './block1-upload.ts';
import type { Content, ExchangeError, ExchangeId, OutgoingMessage, PeerKey } from './exchange.ts';
import type { BodySource } from './outgoing-body.ts';

/** What the layer wants done. */
export type RequestResponseOutput =
  | {
      readonly kind: 'send-request';
      readonly peer: PeerKey;
      readonly exchange: ExchangeId;
      readonly type: 'CON' | 'NON';
      readonly message: OutgoingMessage;
      /** The Non-confirmable request carries a part of a body, of which others carry the rest (RFC 9177 §7.2). */
      readonly part?: { readonly first: boolean };
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
      /** It takes the place of a response of this Exchange that was due (`RequestResponseLayer.responseDue`). */
      readonly supersedes?: boolean;
      /** A Non-confirmable message to a peer that may be gone: subject to PROBING_RATE (RFC 9177 §7.2). */
      readonly isProbing?: boolean;
    }
  /**
   * The Confirmable response that went last for this Exchange tells of a state that is past: it is not to be sent (once
   * more), but told to `responseDue` when it would.
   */
  | { readonly kind: 'response-outdated'; readonly exchange: ExchangeId }
  /** Nothing takes the place of the response that was due. */
  | { readonly kind: 'stop-response'; readonly exchange: ExchangeId }
  | { readonly kind: 'acknowledge'; readonly reply: unknown }
  /** A message of the peer breaks a rule or is refused; what that causes comes by other outputs, or is nothing. */
  | { readonly kind: 'peer-fault'; readonly peer: PeerKey; readonly reason: string }
  /** The answer is not sent: a CON request gets its Empty ACK, if it has none, and nothing more. */
  | { readonly kind: 'suppress-response'; readonly reply: unknown; readonly keepAnswer: boolean }
  /** Not all may go to a peer whose address nothing proves; ends with `addressProved` or `addressUnproved`. */
  | {
      readonly kind: 'ask-for-proof';
      readonly peer: PeerKey;
      /** `waits`: for the proof; `cut`: less went than there is, or that is to be expected. */
      readonly response: 'waits' | 'cut';
    }
  /** The response to a request that carried its state in its token. */
  | {
      readonly kind: 'stateless-response';
      readonly peer: PeerKey;
      readonly state: Uint8Array;
      readonly response: Content;
    }
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
        /** The whole body, or its first block if `bodyFollows`. */
        readonly payload: Uint8Array;
        /** The rest comes as `request-body` outputs, each after `continueBody`. */
        readonly bodyFollows: boolean;
        readonly token: Uint8Array;
        readonly observe: 'register' | 'deregister' | undefined;
        /** Asked again for an observer, with the Exchange of the registration. */
        readonly refresh: boolean;
        /** The multicast address it was sent to. */
        readonly group: PeerAddress | undefined;
      };
    }
  | {
      readonly kind: 'response';
      readonly peer: PeerKey;
      readonly exchange: ExchangeId;
      /** With the whole body, or its first block if `bodyFollows`. */
      readonly response: Content;
      /** Nothing follows for this Exchange. */
      readonly final: boolean;
      /** The rest comes as `response-body` outputs, each after `continueBody`. */
      readonly bodyFollows?: boolean;
    }
  /** The next bytes of a request's body, and whether they are the last. */
  | {
      readonly kind: 'request-body';
      readonly exchange: ExchangeId;
      readonly payload: Uint8Array;
      readonly last: boolean;
    }
  /** The next bytes of a response's body. After the last ones nothing follows for the Exchange, if that is `final`. */
  | {
      readonly kind: 'response-body';
      readonly exchange: ExchangeId;
      readonly payload: Uint8Array;
      readonly last: boolean;
      readonly final: boolean;
    }
  /** The rest of a notification's body will not come: it changed meanwhile, or could not be had. */
  | { readonly kind: 'response-body-aborted'; readonly exchange: ExchangeId; readonly detail: string }
  /** Bytes of a body to hand over, by `provideBody`; or `failBody`. */
  | {
      readonly kind: 'body-wanted';
      readonly source: BodySource;
      readonly offset: number;
      readonly length: number;
    }
  /** Nothing is wanted of this body any more. May come for one that nothing was ever wanted of, and twice. */
  | { readonly kind: 'body-released'; readonly source: BodySource }
  | {
      readonly kind: 'failed';
      readonly exchange: ExchangeId;
      readonly error: ExchangeError;
      /** What happened, in words, where the error alone does not say it. */
      readonly detail?: string;
      /** How far a `resumable` body has come. */
      readonly upload?: UploadPosition;
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
