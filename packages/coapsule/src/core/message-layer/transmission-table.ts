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
import { maxExtendedTokenLength } from '../coap/signaling.ts';
import { tokenBytes } from '../coap/token-length.ts';
import {
  exchangeLifetimeMs,
  maxTransmitWaitMs,
  nonLifetimeMs,
  type TransmissionParameters,
} from '../coap/transmission-parameters.ts';
import { equalBytes } from '../foundation/bytes.ts';
import { after, type DurationMs, earliest, elapsedMs, type Instant } from '../foundation/instant.ts';
import type { OutputQueue } from '../foundation/output-queue.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { CongestionControl, laneOf, lanes } from './congestion.ts';
import { emptyMessage } from './empty-message.ts';
import type { LineClock } from './line-clock.ts';
import { MessageIds } from './message-id-space.ts';
import type { MessageLayerCounters, MessageLayerLimits } from './message-layer-limits.ts';
import type {
  MessageLayerOutput,
  OutgoingMessage,
  PeerKey,
  PeerTraffic,
  QueueOptions,
  RefusedReason,
  TransmissionId,
  UnmatchedReason,
} from './message-layer-output.ts';
import { contentOf } from './message-types.ts';
import { type CongestionControlName, PathEstimates } from './path-estimates.ts';
import { ResetWindow } from './reset-window.ts';
import { Retransmission } from './retransmission.ts';
import type { Transmission } from './transmission.ts';
import { WaitingNames } from './waiting-names.ts';

/** The messages of ours that may still wait for something. */
export class TransmissionTable {
  readonly #parameters: TransmissionParameters;
  readonly #random: RandomSource;
  readonly #limits: MessageLayerLimits;
  readonly #counters: MessageLayerCounters;
  readonly #outputs: OutputQueue<MessageLayerOutput>;
  readonly messageIds: MessageIds;
  readonly #congestion: CongestionControl<Transmission>;
  readonly #paths: PathEstimates;
  readonly #line: LineClock;
  readonly #lifetimeMs: Readonly<Record<'CON' | 'NON', DurationMs>>;
  /** All that are waiting or sent. */
  readonly #transmissions = new Map<TransmissionId, Transmission>();
  /** Those that were sent, by peer and Message ID (RFC 7252 §4.4). */
  readonly #sent = new Map<PeerKey, Map<number, Transmission>>();
  /** Next retransmission, or give-up, of each Confirmable message that was sent. */
  readonly #retransmissions = new TimerQueue<Transmission>();
  /** When to look after a peer whose lanes something other than an acknowledgement holds up. */
  readonly #wakes = new TimerQueue<PeerKey>();
  readonly #resetWindow = new ResetWindow();
  readonly #names = new WaitingNames();
  #nextId = 1;
  /** The last time we were told: for `stop`, which is not told. */
  #now: Instant | undefined;

  constructor(options: {
    parameters: TransmissionParameters;
    congestionControl: CongestionControlName;
    nstartOf: (peer: PeerKey) => number | undefined;
    random: RandomSource;
    limits: MessageLayerLimits;
    counters: MessageLayerCounters;
    outputs: OutputQueue<MessageLayerOutput>;
    oneMessageIdSpace: boolean;
    line: LineClock;
  }) {
    const { parameters, random, limits } = options;
    this.#parameters = parameters;
    this.#random = random;
    this.#limits = limits;
    this.#counters = options.counters;
    this.#outputs = options.outputs;
    this.#line = options.line;
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
    this.#congestion = new CongestionControl(parameters, options.nstartOf);
    this.#paths = new PathEstimates(
      options.congestionControl,
      parameters.ackTimeoutMs,
      limits.estimatedPaths,
    );
  }

  /** What is remembered now: nothing, when every message has been settled and every lifetime is over. */
  get size(): number {
    return (
      this.#transmissions.size +
      this.#sent.size +
      this.messageIds.size +
      this.#congestion.size +
      this.#congestion.probed +
      this.#congestion.silent.size +
      this.#names.size +
      this.#wakes.size +
      this.#retransmissions.size +
      this.#resetWindow.size
    );
  }

  /** See `PeerTraffic`. */
  traffic(peer: PeerKey, now: Instant): PeerTraffic {
    const congestion = this.#congestion;
    const underWay = congestion.outstandingIn(peer, 'request') + congestion.outstandingIn(peer, 'reply');
    return {
      waitingRequests: congestion.waitingIn(peer, 'request') + congestion.waitingIn(peer, 'non-request'),
      waitingReplies: congestion.waitingIn(peer, 'reply') + congestion.waitingIn(peer, 'non-reply'),
      outstandingRequests: congestion.outstandingIn(peer, 'request'),
      nstart: congestion.nstart(peer),
      isSilent: congestion.silent.has(peer),
      lossRate: this.#paths.lossRate(peer),
      roundTripMs: this.#paths.roundTripMs(peer),
      timeoutMs: this.#paths.pace(peer, underWay, now).timeoutMs,
    };
  }

  /** Whether a message of ours waits for its turn, or was sent and may still be answered by its Message ID. */
  state(id: TransmissionId): 'waiting' | 'sent' | undefined {
    const state = this.#transmissions.get(id)?.state;
    return state === 'settled' ? undefined : state;
  }

  /** Sends `message`, now or when it may go. */
  send(
    peer: PeerKey,
    type: 'CON' | 'NON',
    message: OutgoingMessage,
    now: Instant,
    options: QueueOptions & { readonly isUnpredictable?: boolean } = {},
  ): TransmissionId {
    const { priority = 'normal', replaces, isUnpredictable = false } = options;
    const { code, token, payload } = message;
    const content = contentOf(code);
    const lane = laneOf(type, content === 'response');
    const datagram = encodeMessage(
      { type, code, messageId: 0, token, options: message.options, payload },
      // Whose token it is has judged its length.
      maxExtendedTokenLength,
    );
    const waiting = this.#names.find(peer, lane, replaces);
    if (waiting !== undefined) return this.#supersede(waiting, datagram, token.length, now);
    return this.#enqueue(
      { peer, lane, content, tokenLength: token.length, datagram, priority, replaces },
      now,
      { isUnpredictable: isUnpredictable && type === 'CON' },
    ).id;
  }

  /** The latest wins, and does not lose the place in the queue. */
  #supersede(waiting: Transmission, datagram: Uint8Array, tokenLength: number, now: Instant): TransmissionId {
    const { id: superseded } = waiting;
    this.#transmissions.delete(superseded);
    waiting.id = this.#nextId++;
    waiting.datagram = datagram;
    waiting.tokenLength = tokenLength;
    waiting.queuedAt = now;
    this.#transmissions.set(waiting.id, waiting);
    this.#tellSuperseded(superseded);
    return waiting.id;
  }

  #tellSuperseded(transmission: TransmissionId): void {
    this.#counters.superseded++;
    this.#outputs.push({ kind: 'superseded', transmission });
  }

  #enqueue(
    message: Pick<
      Transmission,
      'peer' | 'lane' | 'content' | 'tokenLength' | 'datagram' | 'priority' | 'replaces'
    >,
    now: Instant,
    { isUnpredictable = false, isProbe = false } = {},
  ): Transmission {
    this.#now = now;
    const { peer, lane } = message;
    const transmission: Transmission = {
      ...message,
      id: this.#nextId++,
      isUnpredictable,
      isProbe,
      queuedAt: now,
      hasWaited: false,
      state: 'waiting',
      messageId: 0,
      retransmission: undefined,
      lapses: now,
      nextToLapse: undefined,
    };
    this.#transmissions.set(transmission.id, transmission);
    this.#congestion.enqueue(peer, lane, transmission);
    this.#names.add(transmission);
    this.#count(transmission, 1);
    this.#serve(peer, now);
    // Whether it would have to wait is known only now. It may be the last in its lane: no other waited for it.
    if (transmission.state !== 'waiting') return transmission;
    transmission.hasWaited = true;
    const reason = this.#refusal(transmission);
    if (reason !== undefined) {
      this.#settle(transmission);
      this.#counters.refused++;
      this.#outputs.push({ kind: 'discarded', peer, reason });
      this.#outputs.push({ kind: 'refused', transmission: transmission.id, reason });
    } else this.#dropOldest(transmission);
    return transmission;
  }

  /** Of many names, each with its latest, the one that waits longest goes first when there is no room for all. */
  #dropOldest(newest: Transmission): void {
    if (newest.replaces === undefined) return;
    const oldest = this.#names.oldestBeyond(this.#limits.queuedReadingsPerPeer, newest);
    if (oldest === undefined) return;
    this.#settle(oldest);
    this.#tellSuperseded(oldest.id);
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
    return this.#ping(peer, now, { isUnpredictable }).id;
  }

  #ping(
    peer: PeerKey,
    now: Instant,
    options: { isUnpredictable?: boolean; isProbe?: boolean },
  ): Transmission {
    const datagram = encodeMessage({ type: 'CON', messageId: 0, ...emptyMessage });
    return this.#enqueue(
      {
        peer,
        lane: 'request',
        content: 'empty',
        tokenLength: 0,
        datagram,
        priority: 'ping',
        replaces: undefined,
      },
      now,
      options,
    );
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
    this.#learn(transmission, now);
    this.#settle(transmission);
    if (!transmission.isProbe) {
      this.#outputs.push({ kind: 'acknowledged', transmission: transmission.id });
    }
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
    const end = 4 + tokenBytes(tokenLength);
    if (content !== 'request' || !equalBytes(datagram.subarray(end - tokenLength, end), token)) {
      return 'unexpected-piggybacked-response';
    }
    this.#learn(transmission, now);
    this.#settle(transmission);
    this.#serve(peer, now);
    return transmission.id;
  }

  /** A Reset came, for a Confirmable or Non-confirmable message (RFC 7252 §4.2, §4.3). */
  reset(peer: PeerKey, messageId: number, now: Instant): UnmatchedReason | undefined {
    const transmission = this.#sent.get(peer)?.get(messageId);
    if (transmission === undefined) return 'unmatched-reset';
    this.#learn(transmission, now);
    this.#settle(transmission);
    this.#counters.resetsReceived++;
    if (!transmission.isProbe) this.#outputs.push({ kind: 'reset', transmission: transmission.id });
    this.#serve(peer, now);
    return undefined;
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
      this.#names.delete(transmission);
      this.#count(transmission, -1);
    }
    this.#paths.forgetPeer(peer);
    this.#wakes.cancel(peer);
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    for (let { lapses } = this.#resetWindow; lapses !== undefined && lapses <= now; ) {
      this.#closeFirstWindow();
      lapses = this.#resetWindow.lapses;
    }
    for (let due = this.#retransmissions.expire(now); due; due = this.#retransmissions.expire(now)) {
      this.#retransmit(due, now);
    }
    this.messageIds.handleTimeout(now);
    for (let peer = this.#wakes.expire(now); peer !== undefined; peer = this.#wakes.expire(now)) {
      this.#congestion.sweepProbe(peer, now);
      this.#congestion.silent.sweep(peer, now);
      this.#serve(peer, now);
    }
  }

  nextTimeout(): Instant | undefined {
    return earliest(
      earliest(this.#retransmissions.next(), this.#wakes.next()),
      earliest(this.messageIds.nextTimeout(), this.#resetWindow.lapses),
    );
  }

  /** Starts whatever of `peer` may go, and sets the time to look again if something may not. */
  #serve(peer: PeerKey, now: Instant): void {
    // While requests wait for a sign of life, something is on its way that asks for one.
    if (this.#congestion.wantsPing(peer)) this.#ping(peer, now, { isProbe: true });
    let wake = this.#congestion.silent.until(peer);
    for (const lane of lanes) {
      for (;;) {
        const transmission = this.#congestion.ready(peer, lane, now);
        if (transmission === undefined) break;
        if (!this.#start(transmission, now)) {
          this.#counters.messageIdsExhausted++;
          wake = earliest(wake, this.messageIds.nextRelease(peer));
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
    const pace = confirmable
      ? this.#paths.pace(peer, this.#congestion.outstandingIn(peer, lane), now)
      : undefined;
    const lifetimeMs = this.#lifetimeMs[confirmable ? 'CON' : 'NON'];
    const messageId = this.messageIds.allocate(peer, lifetimeMs, now, isUnpredictable);
    if (messageId === undefined) return false;
    datagram[2] = messageId >> 8;
    datagram[3] = messageId & 255;
    transmission.messageId = messageId;
    transmission.state = 'sent';
    this.#congestion.begin(peer, lane, transmission, datagram.length, now);
    this.#count(transmission, -1);
    this.#names.delete(transmission);
    let sent = this.#sent.get(peer);
    if (sent === undefined) {
      sent = new Map();
      this.#sent.set(peer, sent);
    }
    sent.set(messageId, transmission);
    const wireMs = this.#line.sent(datagram.length, now);
    if (confirmable) {
      this.#counters.outstanding++;
      const retransmission = new Retransmission(this.#parameters, this.#random, now, pace, wireMs);
      transmission.retransmission = retransmission;
      this.#retransmissions.set(transmission, retransmission.deadline);
    } else {
      transmission.lapses = after(now, lifetimeMs);
      this.#resetWindow.add(transmission);
      if (this.#resetWindow.size > this.#limits.trackedNonConfirmable) this.#closeFirstWindow();
    }
    this.#counters.transmitted++;
    this.#transmit(transmission);
    // Whoever sent a request that expects no response waits for this alone.
    if (transmission.hasWaited && lane === 'non-request') {
      this.#outputs.push({ kind: 'started', transmission: transmission.id });
    }
    return true;
  }

  #transmit({ id, peer, datagram, isProbe }: Transmission): void {
    this.#outputs.push({ kind: 'transmit', peer, datagram, transmission: id, isProbe });
  }

  #retransmit(transmission: Transmission, now: Instant): void {
    const { id, datagram, retransmission } = transmission;
    if (retransmission === undefined) return;
    switch (retransmission.expire(now)) {
      case 'retransmit':
        this.#counters.transmitted++;
        this.#counters.retransmitted++;
        this.#line.sent(datagram.length, now);
        this.#transmit(transmission);
        this.#outputs.push({ kind: 'retransmitted', transmission: id, attempt: retransmission.attempt });
        this.#retransmissions.set(transmission, retransmission.deadline);
        return;
      case 'wait':
        this.#retransmissions.set(transmission, retransmission.deadline);
        return;
      case 'give-up':
        this.#giveUp(transmission, retransmission, now);
        return;
    }
  }

  #giveUp(transmission: Transmission, { start, attempt }: Retransmission, now: Instant): void {
    const { peer, lane } = transmission;
    const isSilent = !this.#congestion.wasHeard(peer, start);
    // A peer that is not there is no path that loses.
    if (!isSilent) this.#paths.learn(peer, { transmissions: attempt + 1, roundTripMs: undefined }, now);
    this.#timeOut(transmission);
    if (isSilent && lane === 'reply') {
      // By now whoever asked has stopped waiting for the others too.
      for (const behind of this.#congestion.waiting(peer, lane)) this.#timeOut(behind);
    } else if (isSilent && this.#congestion.silent.givenUp(peer, start, now)) {
      for (const behind of this.#congestion.waiting(peer, lane)) {
        if (behind.queuedAt <= start) this.#timeOut(behind);
      }
    }
    this.#serve(peer, now);
  }

  #timeOut(transmission: Transmission): void {
    this.#settle(transmission);
    if (transmission.isProbe) return;
    this.#counters.timedOut++;
    this.#outputs.push({ kind: 'timed-out', transmission: transmission.id });
  }

  /** What an acknowledged message tells about the path. */
  #learn({ peer, retransmission }: Transmission, now: Instant): void {
    if (retransmission === undefined) return;
    const { start, attempt } = retransmission;
    this.#paths.learn(peer, { transmissions: attempt + 1, roundTripMs: elapsedMs(start, now) }, now);
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
      this.#names.delete(transmission);
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

  #closeFirstWindow(): void {
    const first = this.#resetWindow.shift();
    if (first) this.#settle(first);
  }

  #isWaiting(peer: PeerKey): boolean {
    return lanes.some((lane) => this.#congestion.isWaiting(peer, lane));
  }
}
