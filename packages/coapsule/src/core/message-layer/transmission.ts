/**
 * One message of ours, from `send` until it is settled: what is known of it, and with what it begins.
 *
 * RFC 7252 §4.2, §4.3. Changed by `transmission-table.ts`, and by `sent-messages.ts` when it goes out.
 *
 * @module
 */

import { encodeMessage } from '../coap/message-codec.ts';
import { maxExtendedTokenLength } from '../coap/signaling.ts';
import type { Instant } from '../foundation/instant.ts';
import { type Lane, laneOf } from './congestion.ts';
import { emptyMessage } from './empty-message.ts';
import type {
  BodyPart,
  MessagePriority,
  OutgoingMessage,
  PeerKey,
  SendOptions,
  TransmissionId,
} from './message-layer-output.ts';
import { contentOf, type MessageContent } from './message-types.ts';
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

/** What is known of a message from the start. */
export type TransmissionContent = Pick<
  Transmission,
  'peer' | 'lane' | 'content' | 'tokenLength' | 'datagram' | 'priority' | 'replaces' | 'part'
>;

/** What sets a message apart from others. */
export type TransmissionKind = Partial<Pick<Transmission, 'isUnpredictable' | 'isProbe'>>;

/** The content of a request, response or notification. */
export function messageContent(
  peer: PeerKey,
  type: 'CON' | 'NON',
  message: OutgoingMessage,
  { priority = 'normal', replaces, part, isProbing = false }: SendOptions,
): TransmissionContent {
  const content = contentOf(message.code);
  const lane = laneOf(type, content === 'response' && !(isProbing && type === 'NON'), part);
  const datagram = messageDatagram(type, message);
  return { peer, lane, content, tokenLength: message.token.length, datagram, priority, replaces, part };
}

/** The content of a ping: an Empty Confirmable message (RFC 7252 §4.3). */
export function pingContent(peer: PeerKey): TransmissionContent {
  const datagram = encodeMessage({ type: 'CON', messageId: 0, ...emptyMessage });
  return {
    ...{ peer, lane: 'request', content: 'empty', tokenLength: 0, datagram },
    ...{ priority: 'ping', replaces: undefined, part: undefined },
  };
}

/** A message as it goes, but for the Message ID. */
export function messageDatagram(
  type: 'CON' | 'NON',
  { code, token, options, payload }: OutgoingMessage,
): Uint8Array {
  return encodeMessage(
    { type, code, messageId: 0, token, options, payload },
    // Whose token it is has judged its length.
    maxExtendedTokenLength,
  );
}

/** A message that waits for its turn. */
export function newTransmission(
  id: TransmissionId,
  content: TransmissionContent,
  { isUnpredictable = false, isProbe = false }: TransmissionKind,
  now: Instant,
): Transmission {
  return {
    ...content,
    id,
    isUnpredictable,
    isProbe,
    queuedAt: now,
    hasWaited: false,
    state: 'waiting',
    messageId: 0,
    isOutdated: false,
    isHeld: false,
    formerMessageIds: [],
    formerAcknowledged: false,
    retransmission: undefined,
    lapses: now,
    nextToLapse: undefined,
  };
}
