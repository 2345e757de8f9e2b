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

/**
 * Which of our messages to a peer goes first when several wait, in this order; within one class they go first in,
 * first out. `ping` is for the layer itself: a ping is small, and who waits for it waits for a sign of life.
 */
export const messagePriorities = ['ping', 'urgent', 'high', 'normal', 'low', 'bulk'] as const;

/** See `messagePriorities`. */
export type MessagePriority = (typeof messagePriorities)[number];

/** How a message of ours waits for its turn. */
export interface QueueOptions {
  /** `normal` by default. */
  readonly priority?: Exclude<MessagePriority, 'ping'>;
  /**
   * Names what the message tells, such as the reading of one sensor: it takes the place of a message to the same peer
   * with the same name that still waits. The latest wins; the other ends as `superseded`.
   */
  readonly replaces?: string;
}

/** How a message of ours is sent. */
export interface SendOptions extends QueueOptions {
  /**
   * Whether the Message ID of a CON must be one that nobody can guess: its acknowledgement, or its Reset, then comes from who
   * received it.
   */
  readonly isUnpredictable?: boolean;
  /** The part of a body that a Non-confirmable request carries. */
  readonly part?: BodyPart;
  /** A Non-confirmable response to one who may be gone: PROBING_RATE holds it back as it does a request (RFC 9177 §7.2). */
  readonly isProbing?: boolean;
}

/** A request of which several carry one body (RFC 9177 §7.2): PROBING_RATE holds back its first part only, and counts all. */
export interface BodyPart {
  /** Names the body, among those to one peer. */
  readonly body: number;
  readonly first: boolean;
}

/** What is on its way to a peer, what waits, and what is known about the path. */
export interface PeerTraffic {
  /** Requests and pings that wait for NSTART or PROBING_RATE, or for a sign of life. */
  readonly waitingRequests: number;
  /** Responses and notifications that wait for NSTART. */
  readonly waitingReplies: number;
  /** Confirmable requests and pings sent and not acknowledged; at most NSTART. */
  readonly outstandingRequests: number;
  readonly nstart: number;
  /** A request was given up without a sound from the peer, and none came since: others wait for a ping to be answered. */
  readonly isSilent: boolean;
  /**
   * Share of datagrams lost on one way, 0 … 1, from what became of the latest Confirmable messages; `undefined` before
   * there were four. A peer that is slower than the timeout looks like loss.
   */
  readonly lossRate: number | undefined;
  /** Smoothed round trip of messages that were not retransmitted; `undefined` before the first. */
  readonly roundTripMs: number | undefined;
  /** What the first timeout is drawn from, without ACK_RANDOM_FACTOR. */
  readonly timeoutMs: number;
}

/** A received request that can be replied to, as it came this time. Opaque to other layers, but for `note`. */
export interface ReplyHandle {
  readonly peer: PeerKey;
  readonly messageId: number;
  readonly type: 'CON' | 'NON';
  /** What others want to find with it again; never looked into here. A table of handles would cost as much as all else. */
  note: unknown;
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
  | {
      readonly kind: 'transmit';
      readonly peer: PeerKey;
      readonly datagram: Uint8Array;
      /** What of ours it is; `undefined` for an acknowledgement, a Reset or a piggybacked response. */
      readonly transmission?: TransmissionId;
      /** A ping of this layer's, before requests of ours to a peer that was silent. */
      readonly isProbe?: boolean;
    }
  | { readonly kind: 'acknowledged'; readonly transmission: TransmissionId }
  | { readonly kind: 'reset'; readonly transmission: TransmissionId }
  | {
      readonly kind: 'timed-out';
      readonly transmission: TransmissionId;
      /** An earlier content of it was acknowledged: the peer is there (RFC 7641 §4.5.2). */
      readonly formerAcknowledged?: boolean;
    }
  /** A message that is out of date would go now, for the first time or once more: `renew` or `stop` it. */
  | { readonly kind: 'renewal-due'; readonly transmission: TransmissionId }
  /** It had to wait, and goes out now. */
  | { readonly kind: 'started'; readonly transmission: TransmissionId }
  /** It was never sent: a later message took its place (`QueueOptions.replaces`). */
  | { readonly kind: 'superseded'; readonly transmission: TransmissionId }
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
