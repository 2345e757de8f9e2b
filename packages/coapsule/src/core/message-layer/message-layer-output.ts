/**
 * What goes into the message layer and comes out of it, as values.
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import type { MessageView } from '../coap/message-view.ts';
import type { OptionReader } from '../coap/option-set.ts';

/** One CoAP endpoint (RFC 7252 §4.1): a transport address, or a security association. */
export type PeerKey = string;

/** One message of ours that may be acknowledged or reset. Never used twice by one layer. */
export type TransmissionId = number;

/** A request or response to send; the layer adds type and Message ID. Must not change until it was sent. */
export interface OutgoingMessage {
  readonly code: Code;
  readonly token: Uint8Array;
  readonly options: OptionReader;
  readonly payload: Uint8Array;
}

/** A received request that can be replied to. Opaque to other layers. */
export interface ReplyHandle {
  readonly peer: PeerKey;
  readonly messageId: number;
  readonly type: 'CON' | 'NON';
}

/** Why the road of a received message ended in the message layer. */
export type AbsorbedReason =
  | 'acknowledgement'
  | 'reset'
  | 'ping'
  | 'duplicate-answered'
  | 'duplicate-acknowledged'
  | 'duplicate-reset'
  | 'duplicate-in-progress'
  | 'duplicate-non-confirmable'
  | RejectedReason
  | UnmatchedReason;

/** A message whose type does not go with its code (RFC 7252 §4.2, §4.3). */
export type RejectedReason =
  | 'reserved-code'
  | 'empty-non-confirmable'
  | 'request-in-acknowledgement'
  | 'non-empty-reset';

/** An ACK or RST that belongs to nothing (RFC 7252 §4.4, §5.3.2). */
export type UnmatchedReason =
  | 'unmatched-acknowledgement'
  | 'unmatched-reset'
  | 'unexpected-piggybacked-response';

/** What became of a received message. */
export type Received =
  | {
      readonly kind: 'request';
      readonly message: MessageView;
      readonly reply: ReplyHandle;
      /** A duplicate of a safe request whose answer was not kept: run it again. */
      readonly repeat: boolean;
    }
  | {
      readonly kind: 'response';
      readonly message: MessageView;
      /** Piggybacked responses: the request that this acknowledges. There is no `acknowledged` output for it. */
      readonly transmission?: TransmissionId;
    }
  | { readonly kind: 'overloaded'; readonly message: MessageView; readonly reply: ReplyHandle }
  | { readonly kind: 'absorbed'; readonly reason: AbsorbedReason };

/** What the layer wants done, or tells. */
export type MessageLayerOutput =
  | { readonly kind: 'transmit'; readonly peer: PeerKey; readonly datagram: Uint8Array }
  | { readonly kind: 'acknowledged'; readonly transmission: TransmissionId }
  | { readonly kind: 'reset'; readonly transmission: TransmissionId }
  | { readonly kind: 'timed-out'; readonly transmission: TransmissionId }
  /** It was never sent: too much waits already. Says nothing about the peer. */
  | { readonly kind: 'refused'; readonly transmission: TransmissionId; readonly reason: RefusedReason }
  | {
      readonly kind: 'retransmitted';
      readonly transmission: TransmissionId;
      /** 1 for the first retransmission, up to MAX_RETRANSMIT. */
      readonly attempt: number;
    }
  | { readonly kind: 'discarded'; readonly peer: PeerKey; readonly reason: DiscardedReason };

/**
 * Why a message of ours was not sent: `queue-full` at a bound of what may wait, `message-ids-exhausted` for a
 * Non-confirmable reply or notification while all 65,536 Message IDs to its peer are in use.
 */
export type RefusedReason = 'queue-full' | 'message-ids-exhausted';

/** Why something was dropped, for a trace. */
export type DiscardedReason = RejectedReason | UnmatchedReason | 'malformed' | RefusedReason;
