/**
 * One message of ours, from `send` until it is settled.
 *
 * RFC 7252 §4.2, §4.3. Changed by `transmission-table.ts`, and by `sent-messages.ts` when it goes out.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { Lane } from './congestion.ts';
import type { BodyPart, MessagePriority, PeerKey, TransmissionId } from './message-layer-output.ts';
import type { MessageContent } from './message-types.ts';
import type { Retransmission } from './retransmission.ts';

/** One message of ours. */
export interface Transmission {
  /** Changes with the content, when a later message takes the place of this one. */
  id: TransmissionId;
  readonly peer: PeerKey;
  readonly lane: Lane;
  readonly content: MessageContent;
  readonly priority: MessagePriority;
  /** `QueueOptions.replaces`. */
  readonly replaces: string | undefined;
  readonly part: BodyPart | undefined;
  /** A ping of this layer, of which nobody above knows. */
  readonly isProbe: boolean;
  /** When it came. */
  queuedAt: Instant;
  /** Whether it had to wait. */
  hasWaited: boolean;
  /** Length of the token, which follows the 4 bytes of the header. */
  tokenLength: number;
  /** Complete but for the Message ID, which is filled in when it first goes out. */
  datagram: Uint8Array;
  /** Whether nobody may be able to guess its Message ID. */
  readonly isUnpredictable: boolean;
  /** `settled`: nothing of it is remembered elsewhere. */
  state: 'waiting' | 'sent' | 'settled';
  messageId: number;
  /** Its content is past: it does not go any more as it is, but `renewal-due` is told (RFC 7641 §4.5.2). */
  isOutdated: boolean;
  /** It would have gone, and waits for the content that takes the place of its own. */
  isHeld: boolean;
  /** Message IDs under which it went with earlier contents. */
  readonly formerMessageIds: number[];
  /** One of the earlier contents was acknowledged. */
  formerAcknowledged: boolean;
  retransmission: Retransmission | undefined;
  /** Non-confirmable messages: when no Reset is expected any more, and the message that lapses next. */
  lapses: Instant;
  nextToLapse: Transmission | undefined;
}
