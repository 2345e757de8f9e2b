/**
 * The message layer of CoAP over UDP and DTLS (RFC 7252 §4): reliability, duplicates, Message IDs.
 *
 * In: decoded messages of a peer, and messages to send. Out: datagrams, and what became of the messages.
 * - `receive` decides what a message is (`message-reception.ts`), and answers copies of earlier ones
 *   (`deduplication.ts`).
 * - `send`, `reply` and `ping` give messages of ours to `transmission-table.ts`, which repeats them
 *   (`retransmission.ts`), holds them back (`congestion.ts`) and numbers them (`message-id-space.ts`).
 *
 * Not here: tokens and what requests mean (§5), matching of separate responses (§5.3.2), what a server does with a
 * message to a group (§8, `receive-path.ts`), ICMP errors (§4.2; the socket adapter ignores them, as it cannot vet them).
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import { encodeMessage, type MessageDecodeFault } from '../coap/message-codec.ts';
import type { MessageType, MessageView } from '../coap/message-view.ts';
import { maxExtendedTokenLength } from '../coap/signaling.ts';
import type { TransmissionParameters } from '../coap/transmission-parameters.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { earliest, type Instant } from '../foundation/instant.ts';
import { OutputQueue } from '../foundation/output-queue.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { Deduplication } from './deduplication.ts';
import { LineClock, type LineRate } from './line-clock.ts';
import { allMessageIds, type MessageIdRange } from './message-id-space.ts';
import {
  type MessageLayerCounters,
  type MessageLayerLimits,
  messageLayerLimits,
  zeroCounters,
} from './message-layer-limits.ts';
import type {
  MessageLayerOutput,
  OutgoingMessage,
  PeerKey,
  PeerTraffic,
  Received,
  ReplyHandle,
  SendOptions,
  TransmissionId,
} from './message-layer-output.ts';
import { MessageReception } from './message-reception.ts';
import { contentOf, type MessageContent, messageUsage } from './message-types.ts';
import type { CongestionControlName } from './path-estimates.ts';
import type { ReceivedRecord } from './received-record.ts';
import { TransmissionTable } from './transmission-table.ts';
import { UnkeptMessages } from './unkept-messages.ts';

export type { LineRate } from './line-clock.ts';
export type { MessageIdRange } from './message-id-space.ts';
export type { MessageLayerCounters, MessageLayerLimits } from './message-layer-limits.ts';
export type {
  MessageLayerOutput,
  MessagePriority,
  OutgoingMessage,
  PeerKey,
  PeerTraffic,
  QueueOptions,
  Received,
  ReplyHandle,
  TransmissionId,
} from './message-layer-output.ts';
export { messagePriorities } from './message-layer-output.ts';
export type { CongestionControlName } from './path-estimates.ts';

/** What a message layer needs. */
export interface MessageLayerOptions {
  readonly parameters: TransmissionParameters;
  /** `rfc7252` by default: each message for itself. `cocoa` learns the round trip of each peer (`path-estimates.ts`). */
  readonly congestionControl?: CongestionControlName;
  /** NSTART for a peer; `undefined` leaves it to the parameters. */
  readonly nstartOf?: (peer: PeerKey) => number | undefined;
  /** For initial timeouts, first Message IDs and the digest key. */
  readonly random: RandomSource;
  readonly limits?: Partial<MessageLayerLimits>;
  /** Whether every peer is a security association; default false. Chooses the default limit per peer. */
  readonly authenticatedPeers?: boolean;
  /**
   * Whether all peers share one Message ID space, as where some of them are groups: a Message ID to a group must not be
   * in use with a member of it (RFC 7252 §8.1). Default false.
   */
  readonly oneMessageIdSpace?: boolean;
  /** Those of our messages; all by default. Others are of another endpoint that is the same to the peers. */
  readonly messageIds?: MessageIdRange;
  /** What the line carries, where that is so slow that it counts. */
  readonly line?: LineRate;
}

/** The messages between one local endpoint and all its peers. See the module comment. */
export class MessageLayer {
  readonly #counters = zeroCounters();
  readonly #outputs = new OutputQueue<MessageLayerOutput>();
  readonly #deduplication: Deduplication;
  readonly #transmissions: TransmissionTable;
  readonly #reception: MessageReception;
  readonly #unkept = new UnkeptMessages(this.#counters, this.#outputs);
  readonly #line: LineClock;

  /** @throws ApiMisuseError for a limit that is not a positive integer. */
  constructor(options: MessageLayerOptions) {
    const { parameters, random } = options;
    this.#line = new LineClock(options.line);
    const limits = messageLayerLimits(options.limits ?? {}, options.authenticatedPeers ?? false);
    this.#deduplication = new Deduplication({ random, limits, counters: this.#counters }, parameters);
    this.#transmissions = new TransmissionTable({
      parameters,
      congestionControl: options.congestionControl ?? 'rfc7252',
      nstartOf: options.nstartOf ?? (() => undefined),
      random,
      limits,
      counters: this.#counters,
      outputs: this.#outputs,
      oneMessageIdSpace: options.oneMessageIdSpace ?? false,
      messageIds: options.messageIds ?? allMessageIds,
      line: this.#line,
    });
    this.#reception = new MessageReception({
      deduplication: this.#deduplication,
      transmissions: this.#transmissions,
      unkept: this.#unkept,
      counters: this.#counters,
      outputs: this.#outputs,
    });
  }

  /** What happened so far; changes as the layer runs. */
  get counters(): Readonly<MessageLayerCounters> {
    return this.#counters;
  }

  /** Transmissions, Message ID spaces, lanes and timers in memory now; 0 when nothing is remembered. */
  get transmissionState(): number {
    return this.#transmissions.size;
  }

  /**
   * Takes a message of `peer` (RFC 7252 §4.2 to §4.5).
   *
   * A `request` wants one `reply`, and an `acknowledge` before that if the reply is not there in time.
   * A `response` that is CON wants `acknowledgeResponse` or `resetResponse`. An `overloaded` request must
   * not be carried out, only replied to. Never throws.
   */
  receive(peer: PeerKey, message: MessageView, now: Instant): Received {
    return this.#reception.receive(peer, message, now);
  }

  /**
   * Takes a datagram of `peer` that is no message: a Reset if it was Confirmable, else silence
   * (RFC 7252 §4.2, §4.3). Silence too when even the header could not be read (§3).
   */
  receiveFault(peer: PeerKey, fault: MessageDecodeFault, now: Instant): void {
    this.#reception.receiveFault(peer, fault, now);
  }

  /**
   * Sends a request, response or notification, at once or when NSTART, PROBING_RATE and Message IDs
   * allow (RFC 7252 §4.4, §4.7).
   *
   * A CON ends in exactly one of: `acknowledged`, `reset`, `timed-out`, `superseded` or `refused` as output, a
   * piggybacked response from `receive`, or `stop`. A NON ends in nothing, in `reset`, `superseded` or `refused`.
   * `refused` comes at once, for a message that would have to wait where too much waits already. A NON request that
   * had to wait is `started` when it goes.
   *
   * When a request is given up and nothing came from the peer meanwhile, those that wait go on as soon as it answers a
   * ping; when it answers none, they are `timed-out` too (`silent-peers.ts`). Replies that wait for one that is given
   * up are `timed-out` with it.
   *
   * @throws ApiMisuseError for a code or content that §4.3 Table 1 or the message format does not allow.
   */
  send(
    peer: PeerKey,
    type: 'CON' | 'NON',
    message: OutgoingMessage,
    now: Instant,
    options: SendOptions = {},
  ): TransmissionId {
    expectUsed(type, message.code);
    return this.#transmissions.send(peer, type, message, now, options);
  }

  /**
   * Replies to a request (RFC 7252 §5.2): piggybacked on the ACK of a CON that has none yet, else as a
   * message of its own, by default of the type of the request.
   *
   * @param options.keepAnswer Whether copies must get this answer. If not, copies of a safe request are handed
   *        up again; an unsafe request had no effect, so that it may be forgotten when others need the room.
   * @param options.isUnpredictable As for `send`.
   * @returns the transmission of a message of its own; `undefined` for a piggybacked response.
   * @throws ApiMisuseError for a code that is no response.
   */
  reply(
    handle: ReplyHandle,
    message: OutgoingMessage,
    options: {
      readonly type?: 'CON' | 'NON' | undefined;
      readonly keepAnswer: boolean;
      readonly isUnpredictable?: boolean;
    },
    now: Instant,
  ): TransmissionId | undefined {
    expectUsed('ACK', message.code, 'response');
    const record = handle as ReceivedRecord;
    const { peer, messageId } = record;
    if (record.type === 'CON' && this.#deduplication.stateOf(record) === 'in-progress') {
      const { code, token, options: messageOptions, payload } = message;
      const datagram = encodeMessage(
        {
          type: 'ACK',
          code,
          messageId,
          token,
          options: messageOptions,
          payload,
        },
        maxExtendedTokenLength,
      );
      this.#deduplication.answered(record, code, datagram, token.length, options.keepAnswer);
      this.#line.sent(datagram.length, now);
      this.#unkept.send(peer, datagram);
      return undefined;
    }
    this.#deduplication.repliedSeparately(record, options.keepAnswer);
    const type = options.type ?? record.type;
    return this.send(peer, type, message, now, { isUnpredictable: options.isUnpredictable === true });
  }

  /** Sends no reply to a request (RFC 7967): a CON gets its Empty ACK, and so do copies of it. */
  suppressReply(handle: ReplyHandle, keepAnswer: boolean, now: Instant): void {
    this.acknowledge(handle, now);
    this.#deduplication.repliedSeparately(handle as ReceivedRecord, keepAnswer);
  }

  /**
   * A copy of this request would not be carried out again, whatever is known of it here: once a reply has gone out, its record,
   * and the answer in it, may make room for others. Until then a copy is to be taken for one (RFC 7252 §4.5).
   */
  mayForget(handle: ReplyHandle): void {
    (handle as ReceivedRecord).isForgettable = true;
  }

  /** A request that nothing was done about, for want of room: a copy of it is a new one. It may have no reply yet. */
  forget(handle: ReplyHandle): void {
    this.#deduplication.forget(handle as ReceivedRecord);
  }

  /** Something came that a request to `peer` caused, though from elsewhere, as with a group: it is not silent (§4.7). */
  heardFrom(peer: PeerKey, now: Instant): void {
    this.#transmissions.heardFrom(peer, now);
  }

  /** Sends the Empty ACK for a CON request, unless it has one or was replied to (RFC 7252 §5.2.2). */
  acknowledge(handle: ReplyHandle, _now: Instant): void {
    const record = handle as ReceivedRecord;
    if (record.type !== 'CON' || this.#deduplication.stateOf(record) !== 'in-progress') return;
    this.#deduplication.acknowledged(record);
    this.#unkept.sendEmpty(record.peer, 'ACK', record.messageId);
  }

  /**
   * Sends the Empty ACK for a CON response or notification that belongs to a request of ours. Copies of
   * it get the same without being handed up. Does nothing for other types.
   */
  acknowledgeResponse(peer: PeerKey, message: MessageView, now: Instant): void {
    if (message.type !== 'CON') return;
    const record = this.#deduplication.find(peer, message, now);
    if (record) this.#deduplication.acknowledged(record);
    this.#unkept.sendEmpty(peer, 'ACK', message.messageId);
  }

  /**
   * Sends a Reset for a response or notification that belongs to nothing (RFC 7252 §4.2, §4.3). Copies
   * of a CON get the same. Does nothing for an ACK: §4.2 forbids to answer one.
   */
  resetResponse(peer: PeerKey, message: MessageView, now: Instant): void {
    if (message.type !== 'CON' && message.type !== 'NON') return;
    const record = this.#deduplication.find(peer, message, now);
    if (record) this.#deduplication.wasReset(record);
    this.#unkept.sendEmpty(peer, 'RST', message.messageId);
  }

  /**
   * Sends a CoAP ping (RFC 7252 §4.3); the pong is the `reset` output. Counts for NSTART.
   *
   * @param isUnpredictable Whether its Message ID must be one that nobody can guess: then the pong proves something.
   */
  ping(peer: PeerKey, now: Instant, isUnpredictable = false): TransmissionId {
    return this.#transmissions.ping(peer, now, isUnpredictable);
  }

  /**
   * What a Confirmable message tells is past. It does not go again, nor for the first time if it waits: when it would,
   * `renewal-due` is told, and it is held until `renew` or `stop`. An acknowledgement ends it as before.
   */
  outdate(transmission: TransmissionId): void {
    this.#transmissions.outdate(transmission);
  }

  /**
   * Sends a message in the place of one that is held (RFC 7641 §4.5.2): under a new Message ID, with the retransmission
   * counter and the timeout of the former. An acknowledgement of the former says no more than that the peer is there, a Reset
   * of it ends the transmission. Does nothing for what is not held.
   */
  renew(transmission: TransmissionId, message: OutgoingMessage, now: Instant): void {
    expectUsed('CON', message.code);
    this.#transmissions.renew(transmission, message, now);
  }

  /** Whether a message waits for `renew`. */
  isHeld(transmission: TransmissionId): boolean {
    return this.#transmissions.isHeld(transmission);
  }

  /**
   * Ends a transmission, without an output for it: no more retransmissions, or no first one, and no match
   * with an ACK or a Reset that may still come. Then `nextTimeout` is due at once if another message
   * waited for it. Does nothing for what has ended.
   */
  stop(transmission: TransmissionId): void {
    this.#transmissions.stop(transmission);
  }

  /**
   * Forgets `peer`: its records, and our messages to it, without outputs for them. Which Message IDs are
   * in use stays known, so that one who comes back under the same key does not see them again too early.
   */
  forgetPeer(peer: PeerKey, _now: Instant): void {
    this.#deduplication.forgetPeer(peer);
    this.#transmissions.forgetPeer(peer);
  }

  /** What is on its way to a peer, what waits, and what is known about the path. */
  traffic(peer: PeerKey, now: Instant): PeerTraffic {
    return this.#transmissions.traffic(peer, now);
  }

  /** Whether a message of ours waits for its turn, or was sent and may be acknowledged or reset. */
  state(transmission: TransmissionId): 'waiting' | 'sent' | undefined {
    return this.#transmissions.state(transmission);
  }

  /** Whether a message of ours is on its way under this Message ID. */
  isSentAs(transmission: TransmissionId, messageId: number): boolean {
    return this.#transmissions.isSentAs(transmission, messageId);
  }

  /** Whether `peer` may still know a message of ours by this ID, settled or not. */
  hasUsedMessageId(peer: PeerKey, messageId: number): boolean {
    return this.#transmissions.messageIds.isInUse(peer, messageId);
  }

  /** The Message ID that the next message to `peer` gets, for a process that goes on with it. */
  nextMessageId(peer: PeerKey): number {
    return this.#transmissions.messageIds.next(peer);
  }

  /** Goes on where another process ended (RFC 7252 §4.4): its Message IDs may still be known to the peer. */
  continueMessageIds(peer: PeerKey, next: number, now: Instant): void {
    this.#transmissions.messageIds.continueAt(peer, next, now);
  }

  /** The next output, oldest first. */
  poll(): MessageLayerOutput | undefined {
    return this.#outputs.shift();
  }

  /** The link was interrupted and is there again: what was sent and not acknowledged goes once more, at once. */
  linkRestored(now: Instant): void {
    this.#transmissions.sendAgain(now);
  }

  /** Runs what is due. */
  handleTimeout(now: Instant): void {
    this.#transmissions.handleTimeout(now);
    this.#deduplication.handleTimeout(now);
  }

  /** When `handleTimeout` wants to be called. */
  nextTimeout(): Instant | undefined {
    return earliest(this.#transmissions.nextTimeout(), this.#deduplication.nextTimeout());
  }
}

function expectUsed(type: MessageType, code: Code, only?: MessageContent): void {
  const content = contentOf(code);
  if (messageUsage[type][content] === 'used' && (only === undefined || content === only)) return;
  throw new ApiMisuseError(
    `code is ${code} (${content}) in a ${type}; expected ${only ?? 'request or response'} (RFC 7252 §4.3)`,
  );
}
