/**
 * Messages of our own: waiting for their turn, on their way, acknowledged, reset or given up
 * (RFC 7252 §4.2 to §4.4, §4.7).
 *
 * Gives each message its Message ID when it first goes out, not while it waits. Does not see requests of
 * peers; replies that need a message of their own come here like any other message.
 *
 * @module
 */

import { encodeMessage } from '../coap/message-codec.ts';
import {
  exchangeLifetimeMs,
  maxTransmitWaitMs,
  nonLifetimeMs,
  type TransmissionParameters,
} from '../coap/transmission-parameters.ts';
import { equalBytes } from '../foundation/bytes.ts';
import { after, type DurationMs, earliest, type Instant } from '../foundation/instant.ts';
import type { OutputQueue } from '../foundation/output-queue.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { CongestionControl, laneOf, lanes } from './congestion.ts';
import { emptyMessage } from './empty-message.ts';
import { MessageIds } from './message-id-space.ts';
import type { MessageLayerCounters, MessageLayerLimits } from './message-layer-limits.ts';
import type {
  MessageLayerOutput,
  OutgoingMessage,
  PeerKey,
  RefusedReason,
  TransmissionId,
  UnmatchedReason,
} from './message-layer-output.ts';
import { contentOf } from './message-types.ts';
import { Retransmission } from './retransmission.ts';
import type { Transmission } from './transmission.ts';

/** The messages of ours that may still wait for something. */
export class TransmissionTable {
  readonly #parameters: TransmissionParameters;
  readonly #random: RandomSource;
  readonly #limits: MessageLayerLimits;
  readonly #counters: MessageLayerCounters;
  readonly #outputs: OutputQueue<MessageLayerOutput>;
  readonly messageIds: MessageIds;
  readonly #congestion: CongestionControl<Transmission>;
  readonly #lifetimeMs: Readonly<Record<'CON' | 'NON', DurationMs>>;
  /** All that are waiting or sent. */
  readonly #transmissions = new Map<TransmissionId, Transmission>();
  /** Those that were sent, by peer and Message ID (RFC 7252 §4.4). */
  readonly #sent = new Map<PeerKey, Map<number, Transmission>>();
  /** Next retransmission, or give-up, of each Confirmable message that was sent. */
  readonly #retransmissions = new TimerQueue<Transmission>();
  /** When to look after a peer whose lanes something other than an acknowledgement holds up. */
  readonly #wakes = new TimerQueue<PeerKey>();
  /** Non-confirmable messages that a Reset may still come for, in the order in which they lapse. */
  #firstToLapse: Transmission | undefined;
  #lastToLapse: Transmission | undefined;
  #tracked = 0;
  #nextId = 1;
  /** The last time we were told: for `stop`, which is not told. */
  #now: Instant | undefined;

  constructor(options: {
    parameters: TransmissionParameters;
    random: RandomSource;
    limits: MessageLayerLimits;
    counters: MessageLayerCounters;
    outputs: OutputQueue<MessageLayerOutput>;
    oneMessageIdSpace: boolean;
  }) {
    const { parameters, random, limits } = options;
    this.#parameters = parameters;
    this.#random = random;
    this.#limits = limits;
    this.#counters = options.counters;
    this.#outputs = options.outputs;
    this.#lifetimeMs = {
      // §4.8.2: EXCHANGE_LIFETIME may leave MAX_TRANSMIT_WAIT out only where MAX_LATENCY covers it.
      CON: Math.max(exchangeLifetimeMs(parameters), maxTransmitWaitMs(parameters)),
      NON: nonLifetimeMs(parameters),
    };
    this.messageIds = new MessageIds(
      random,
      limits.messageIdPeers,
      Math.max(...Object.values(this.#lifetimeMs)),
      options.oneMessageIdSpace,
    );
    this.#congestion = new CongestionControl(parameters);
  }

  /** What is remembered now: nothing, when every message has been settled and every lifetime is over. */
  get size(): number {
    return (
      this.#transmissions.size +
      this.#sent.size +
      this.messageIds.size +
      this.#congestion.size +
      this.#congestion.probed +
      this.#wakes.size +
      this.#retransmissions.size +
      this.#tracked
    );
  }

  /** Sends `message`, now or when it may go. */
  send(
    peer: PeerKey,
    type: 'CON' | 'NON',
    message: OutgoingMessage,
    now: Instant,
    isUnpredictable = false,
  ): TransmissionId {
    this.#now = now;
    const { code, token, options, payload } = message;
    const content = contentOf(code);
    const transmission: Transmission = {
      id: this.#nextId++,
      peer,
      lane: laneOf(type, content === 'response'),
      content,
      tokenLength: token.length,
      datagram: encodeMessage({ type, code, messageId: 0, token, options, payload }),
      isUnpredictable,
      state: 'waiting',
      messageId: 0,
      retransmission: undefined,
      lapses: now,
      nextToLapse: undefined,
    };
    this.#transmissions.set(transmission.id, transmission);
    this.#congestion.enqueue(peer, transmission.lane, transmission);
    this.#count(transmission, 1);
    this.#serve(peer, now);
    // Whether it would have to wait is known only now. It is the last in its lane, so no other waited for it.
    const reason = transmission.state === 'waiting' ? this.#refusal(transmission) : undefined;
    if (reason !== undefined) {
      this.#settle(transmission);
      this.#counters.refused++;
      this.#outputs.push({ kind: 'discarded', peer, reason });
      this.#outputs.push({ kind: 'refused', transmission: transmission.id, reason });
    }
    return transmission.id;
  }

  /** Why a message may not wait. */
  #refusal({ peer, lane }: Transmission): RefusedReason | undefined {
    const { queuedMessages, queuedReplies, queuedRepliesPerPeer } = this.#limits;
    const { queued, queuedReplies: replies } = this.#counters;
    switch (lane) {
      case 'non-reply':
        // Only a Message ID can be missing: it would come minutes late, to one who asks faster than §4.4 allows.
        return 'message-ids-exhausted';
      case 'reply':
        return replies > queuedReplies || this.#congestion.waitingIn(peer, lane) > queuedRepliesPerPeer
          ? 'queue-full'
          : undefined;
      default:
        return queued - replies > queuedMessages ? 'queue-full' : undefined;
    }
  }

  #count({ lane }: Transmission, change: 1 | -1): void {
    this.#counters.queued += change;
    if (lane === 'reply' || lane === 'non-reply') this.#counters.queuedReplies += change;
  }

  /** Sends an Empty Confirmable message, which elicits a Reset (RFC 7252 §4.3). */
  ping(peer: PeerKey, now: Instant, isUnpredictable: boolean): TransmissionId {
    return this.send(peer, 'CON', emptyMessage, now, isUnpredictable);
  }

  /** See `MessageLayer.stop`. */
  stop(id: TransmissionId): void {
    const transmission = this.#transmissions.get(id);
    if (transmission === undefined) return;
    const { peer } = transmission;
    this.#settle(transmission);
    // What waits behind it starts its own clock: only with the time of a real call.
    if (this.#now !== undefined && this.#isWaiting(peer)) this.#wakes.set(peer, this.#now);
  }

  /** Something came from `peer`: PROBING_RATE no longer applies (RFC 7252 §4.7). */
  heardFrom(peer: PeerKey, now: Instant): void {
    this.#now = now;
    if (this.#congestion.heardFrom(peer, now)) this.#serve(peer, now);
  }

  /** An Empty ACK came. */
  acknowledged(peer: PeerKey, messageId: number, now: Instant): UnmatchedReason | undefined {
    const transmission = this.#confirmable(peer, messageId);
    if (transmission === undefined) return 'unmatched-acknowledgement';
    this.#settle(transmission);
    this.#outputs.push({ kind: 'acknowledged', transmission: transmission.id });
    this.#serve(peer, now);
    return undefined;
  }

  /**
   * A piggybacked response came.
   *
   * RFC 7252 §5.3.2: Message ID and token MUST both be those of the request. Otherwise the whole ACK is
   * rejected, that is ignored (§4.2), and the request stays on its way.
   */
  respondedTo(
    peer: PeerKey,
    messageId: number,
    token: Uint8Array,
    now: Instant,
  ): TransmissionId | UnmatchedReason {
    const transmission = this.#confirmable(peer, messageId);
    if (transmission === undefined) return 'unmatched-acknowledgement';
    const { content, datagram, tokenLength } = transmission;
    if (content !== 'request' || !equalBytes(datagram.subarray(4, 4 + tokenLength), token)) {
      return 'unexpected-piggybacked-response';
    }
    this.#settle(transmission);
    this.#serve(peer, now);
    return transmission.id;
  }

  /** A Reset came, for a Confirmable or Non-confirmable message (RFC 7252 §4.2, §4.3). */
  reset(peer: PeerKey, messageId: number, now: Instant): UnmatchedReason | undefined {
    const transmission = this.#sent.get(peer)?.get(messageId);
    if (transmission === undefined) return 'unmatched-reset';
    this.#settle(transmission);
    this.#counters.resetsReceived++;
    this.#outputs.push({ kind: 'reset', transmission: transmission.id });
    this.#serve(peer, now);
    return undefined;
  }

  isUnsent(id: TransmissionId): boolean {
    return this.#transmissions.get(id)?.state === 'waiting';
  }

  isSentAs(id: TransmissionId, messageId: number): boolean {
    const transmission = this.#transmissions.get(id);
    return transmission?.state === 'sent' && transmission.messageId === messageId;
  }

  /** Forgets the messages to `peer`, but not which Message IDs are in use. */
  forgetPeer(peer: PeerKey): void {
    for (const transmission of this.#sent.get(peer)?.values() ?? []) this.#settle(transmission);
    for (const transmission of this.#congestion.forgetPeer(peer)) {
      transmission.state = 'settled';
      this.#transmissions.delete(transmission.id);
      this.#count(transmission, -1);
    }
    this.#wakes.cancel(peer);
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    while (this.#firstToLapse && this.#firstToLapse.lapses <= now) this.#untrackFirst();
    for (let due = this.#retransmissions.expire(now); due; due = this.#retransmissions.expire(now)) {
      this.#retransmit(due, now);
    }
    this.messageIds.handleTimeout(now);
    for (let peer = this.#wakes.expire(now); peer !== undefined; peer = this.#wakes.expire(now)) {
      this.#congestion.sweepProbe(peer, now);
      this.#serve(peer, now);
    }
  }

  nextTimeout(): Instant | undefined {
    return earliest(
      earliest(this.#retransmissions.next(), this.#wakes.next()),
      earliest(this.messageIds.nextTimeout(), this.#firstToLapse?.lapses),
    );
  }

  /** Starts whatever of `peer` may go, and sets the time to look again if something may not. */
  #serve(peer: PeerKey, now: Instant): void {
    let wake: Instant | undefined;
    for (const lane of lanes) {
      for (;;) {
        const transmission = this.#congestion.ready(peer, lane, now);
        if (transmission === undefined) break;
        if (!this.#start(transmission, now)) {
          this.#counters.messageIdsExhausted++;
          wake = this.messageIds.nextRelease(peer);
          break;
        }
      }
    }
    const probing = this.#congestion.probingTimeout(peer, now);
    if (probing !== undefined && this.#congestion.isWaiting(peer, 'non-request')) {
      this.#counters.probingDelays++;
    }
    wake = earliest(wake, probing);
    if (wake === undefined) this.#wakes.cancel(peer);
    else this.#wakes.set(peer, wake);
  }

  /** The first transmission. False when no Message ID is free. */
  #start(transmission: Transmission, now: Instant): boolean {
    const { peer, lane, datagram, isUnpredictable } = transmission;
    const confirmable = lane === 'request' || lane === 'reply';
    const lifetimeMs = this.#lifetimeMs[confirmable ? 'CON' : 'NON'];
    const messageId = this.messageIds.allocate(peer, lifetimeMs, now, isUnpredictable);
    if (messageId === undefined) return false;
    datagram[2] = messageId >> 8;
    datagram[3] = messageId & 255;
    transmission.messageId = messageId;
    transmission.state = 'sent';
    this.#congestion.begin(peer, lane, transmission, datagram.length, now);
    this.#count(transmission, -1);
    let sent = this.#sent.get(peer);
    if (sent === undefined) {
      sent = new Map();
      this.#sent.set(peer, sent);
    }
    sent.set(messageId, transmission);
    if (confirmable) {
      this.#counters.outstanding++;
      const retransmission = new Retransmission(this.#parameters, this.#random, now);
      transmission.retransmission = retransmission;
      this.#retransmissions.set(transmission, retransmission.deadline);
    } else {
      transmission.lapses = after(now, lifetimeMs);
      this.#track(transmission);
    }
    this.#counters.transmitted++;
    this.#outputs.push({ kind: 'transmit', peer, datagram });
    return true;
  }

  #retransmit(transmission: Transmission, now: Instant): void {
    const { id, peer, lane, datagram, retransmission } = transmission;
    if (retransmission === undefined) return;
    switch (retransmission.expire(now)) {
      case 'retransmit':
        this.#counters.transmitted++;
        this.#counters.retransmitted++;
        this.#outputs.push({ kind: 'transmit', peer, datagram });
        this.#outputs.push({ kind: 'retransmitted', transmission: id, attempt: retransmission.attempt });
        this.#retransmissions.set(transmission, retransmission.deadline);
        return;
      case 'wait':
        this.#retransmissions.set(transmission, retransmission.deadline);
        return;
      case 'give-up':
        this.#timeOut(transmission);
        // What waits behind it for the same silent peer would be given up too, each 62 … 93 s after the other.
        for (const behind of this.#congestion.waitingForSilent(peer, lane, retransmission.start)) {
          this.#timeOut(behind);
        }
        this.#serve(peer, now);
        return;
    }
  }

  #timeOut(transmission: Transmission): void {
    this.#settle(transmission);
    this.#counters.timedOut++;
    this.#outputs.push({ kind: 'timed-out', transmission: transmission.id });
  }

  /** RFC 7252 §4.3: a Non-confirmable message is never acknowledged, so only Confirmable ones match an ACK. */
  #confirmable(peer: PeerKey, messageId: number): Transmission | undefined {
    const transmission = this.#sent.get(peer)?.get(messageId);
    return transmission?.retransmission ? transmission : undefined;
  }

  /** Removes a transmission from everything that knows it. */
  #settle(transmission: Transmission): void {
    const { id, peer, lane, messageId, state } = transmission;
    transmission.state = 'settled';
    this.#transmissions.delete(id);
    if (state === 'waiting') {
      this.#congestion.withdraw(peer, lane, transmission);
      this.#count(transmission, -1);
    }
    if (state !== 'sent') return;
    const sent = this.#sent.get(peer);
    if (sent?.get(messageId) === transmission) sent.delete(messageId);
    if (sent?.size === 0) this.#sent.delete(peer);
    if (transmission.retransmission === undefined) return;
    this.#retransmissions.cancel(transmission);
    this.#counters.outstanding--;
    if (lane === 'request' || lane === 'reply') this.#congestion.end(peer, lane);
  }

  #track(transmission: Transmission): void {
    if (this.#lastToLapse) this.#lastToLapse.nextToLapse = transmission;
    else this.#firstToLapse = transmission;
    this.#lastToLapse = transmission;
    this.#tracked++;
    if (this.#tracked > this.#limits.trackedNonConfirmable) this.#untrackFirst();
  }

  #untrackFirst(): void {
    const first = this.#firstToLapse;
    if (first === undefined) return;
    this.#settle(first);
    this.#tracked--;
    this.#firstToLapse = first.nextToLapse;
    if (this.#firstToLapse === undefined) this.#lastToLapse = undefined;
  }

  #isWaiting(peer: PeerKey): boolean {
    return lanes.some((lane) => this.#congestion.isWaiting(peer, lane));
  }
}
