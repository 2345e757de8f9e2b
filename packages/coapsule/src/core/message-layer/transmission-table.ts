/**
 * Messages of our own: waiting for their turn, on their way, acknowledged, reset or given up
 * (RFC 7252 §4.2 to §4.4, §4.7).
 *
 * What waits is held by `congestion.ts` and `waiting-messages.ts`, what was sent by `sent-messages.ts`; here is how the one
 * becomes the other, and how each ends. A message gets its Message ID when it first goes out, not while it waits. Does
 * not see requests of peers; replies that need a message of their own come here like any other message.
 *
 * @module
 */

import { tokenBytes } from '../coap/token-length.ts';
import { equalBytes } from '../foundation/bytes.ts';
import { earliest, type Instant } from '../foundation/instant.ts';
import type { OutputQueue } from '../foundation/output-queue.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import { CongestionControl, type Lane, lanes } from './congestion.ts';
import type { MessageIds } from './message-id-space.ts';
import type { MessageLayerCounters } from './message-layer-limits.ts';
import type {
  MessageLayerOutput,
  OutgoingMessage,
  PeerKey,
  PeerTraffic,
  SendOptions,
  TransmissionId,
  UnmatchedReason,
} from './message-layer-output.ts';
import { type CongestionControlName, type Pace, PathEstimates } from './path-estimates.ts';
import type { Retransmission } from './retransmission.ts';
import { SentMessages, type SentMessagesOptions } from './sent-messages.ts';
import {
  messageContent,
  messageDatagram,
  newTransmission,
  pingContent,
  type Transmission,
  type TransmissionContent,
  type TransmissionKind,
} from './transmission.ts';
import { WaitingMessages } from './waiting-messages.ts';

/** The messages of ours that may still wait for something. */
export class TransmissionTable {
  readonly #counters: MessageLayerCounters;
  readonly #outputs: OutputQueue<MessageLayerOutput>;
  readonly #congestion: CongestionControl<Transmission>;
  readonly #paths: PathEstimates;
  /** All that are waiting or sent. */
  readonly #transmissions = new Map<TransmissionId, Transmission>();
  readonly #sent: SentMessages;
  /** When to look after a peer whose lanes something other than an acknowledgement holds up. */
  readonly #wakes = new TimerQueue<PeerKey>();
  readonly #waiting: WaitingMessages;
  #nextId = 1;
  /** The last time we were told: for `stop`, which is not told. */
  #now: Instant | undefined;

  constructor(
    options: SentMessagesOptions & {
      readonly congestionControl: CongestionControlName;
      readonly nstartOf: (peer: PeerKey) => number | undefined;
    },
  ) {
    const { parameters, limits, counters } = options;
    this.#counters = counters;
    this.#outputs = options.outputs;
    this.#congestion = new CongestionControl(parameters, options.nstartOf);
    this.#waiting = new WaitingMessages(limits, counters, this.#congestion);
    this.#sent = new SentMessages(options, {
      lapsed: (transmission) => this.#settle(transmission),
      givenUp: (transmission, retransmission, now) => this.#giveUp(transmission, retransmission, now),
    });
    this.#paths = new PathEstimates(
      options.congestionControl,
      parameters.ackTimeoutMs,
      limits.estimatedPaths,
    );
  }

  /** The Message IDs that are in use. */
  get messageIds(): MessageIds {
    return this.#sent.messageIds;
  }

  /** What is remembered now: nothing, when every message has been settled and every lifetime is over. */
  get size(): number {
    return (
      this.#transmissions.size +
      this.#sent.size +
      this.#congestion.size +
      this.#congestion.probed +
      this.#congestion.silent.size +
      this.#waiting.size +
      this.#wakes.size
    );
  }

  /** See `PeerTraffic`. */
  traffic(peer: PeerKey, now: Instant): PeerTraffic {
    const congestion = this.#congestion;
    const underWay = congestion.outstandingIn(peer, 'request') + congestion.outstandingIn(peer, 'reply');
    return {
      waitingRequests:
        congestion.waitingIn(peer, 'request') +
        congestion.waitingIn(peer, 'non-request') +
        congestion.waitingIn(peer, 'non-block'),
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
    options: SendOptions = {},
  ): TransmissionId {
    const content = messageContent(peer, type, message, options);
    const waiting = this.#waiting.find(peer, content.lane, content.replaces);
    if (waiting !== undefined) return this.#supersede(waiting, content, now);
    const isUnpredictable = options.isUnpredictable === true && type === 'CON';
    return this.#enqueue(content, now, { isUnpredictable }).id;
  }

  /** The latest wins, and does not lose the place in the queue. */
  #supersede(
    waiting: Transmission,
    { datagram, tokenLength }: TransmissionContent,
    now: Instant,
  ): TransmissionId {
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

  #enqueue(content: TransmissionContent, now: Instant, kind: TransmissionKind): Transmission {
    this.#now = now;
    const { peer, lane } = content;
    const transmission = newTransmission(this.#nextId++, content, kind, now);
    this.#transmissions.set(transmission.id, transmission);
    this.#congestion.enqueue(peer, lane, transmission);
    this.#waiting.add(transmission);
    this.#serve(peer, now);
    // Whether it would have to wait is known only now. It may be the last in its lane: no other waited for it.
    if (transmission.state !== 'waiting') return transmission;
    transmission.hasWaited = true;
    const reason = this.#waiting.refusal(transmission);
    if (reason !== undefined) {
      this.#settle(transmission);
      this.#counters.refused++;
      this.#outputs.push({ kind: 'discarded', peer, reason });
      this.#outputs.push({ kind: 'refused', transmission: transmission.id, reason });
      return transmission;
    }
    const oldest = this.#waiting.oldestBeyondLimit(transmission);
    if (oldest !== undefined) {
      this.#settle(oldest);
      this.#tellSuperseded(oldest.id);
    }
    return transmission;
  }

  /** Sends an Empty Confirmable message, which elicits a Reset (RFC 7252 §4.3). */
  ping(peer: PeerKey, now: Instant, isUnpredictable: boolean): TransmissionId {
    return this.#enqueue(pingContent(peer), now, { isUnpredictable }).id;
  }

  /** See `MessageLayer.outdate`. */
  outdate(id: TransmissionId): void {
    const transmission = this.#transmissions.get(id);
    if (transmission !== undefined) transmission.isOutdated = true;
  }

  /** See `MessageLayer.isHeld`. */
  isHeld(id: TransmissionId): boolean {
    return this.#transmissions.get(id)?.isHeld === true;
  }

  /** See `MessageLayer.renew`. */
  renew(id: TransmissionId, message: OutgoingMessage, now: Instant): void {
    const transmission = this.#transmissions.get(id);
    if (transmission === undefined || !transmission.isHeld) return;
    const { peer, retransmission } = transmission;
    transmission.datagram = messageDatagram('CON', message);
    transmission.tokenLength = message.token.length;
    transmission.isOutdated = false;
    transmission.isHeld = false;
    const isSent =
      retransmission === undefined
        ? this.#sent.send(transmission, this.#paceOf(transmission, now), now)
        : this.#sent.renew(transmission, now);
    if (isSent) {
      this.#counters.renewed++;
      return;
    }
    this.#counters.messageIdsExhausted++;
    this.#settle(transmission);
    this.#outputs.push({ kind: 'refused', transmission: id, reason: 'message-ids-exhausted' });
    this.#serve(peer, now);
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
    const transmission = this.#sent.findConfirmable(peer, messageId);
    if (transmission === undefined) return 'unmatched-acknowledgement';
    if (transmission.messageId !== messageId) {
      // RFC 7641 §4.5.2: not what goes now has arrived, but the peer is there.
      transmission.formerAcknowledged = true;
      return undefined;
    }
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
    const transmission = this.#sent.findConfirmable(peer, messageId);
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
    const transmission = this.#sent.find(peer, messageId);
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
    for (const transmission of this.#sent.to(peer)) this.#settle(transmission);
    for (const transmission of this.#congestion.forgetPeer(peer)) {
      transmission.state = 'settled';
      this.#transmissions.delete(transmission.id);
      this.#waiting.delete(transmission);
    }
    this.#paths.forgetPeer(peer);
    this.#wakes.cancel(peer);
  }

  /** See `SentMessages.sendAgain`. */
  sendAgain(now: Instant): void {
    this.#sent.sendAgain(now);
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    this.#sent.handleTimeout(now);
    for (let peer = this.#wakes.expire(now); peer !== undefined; peer = this.#wakes.expire(now)) {
      this.#congestion.sweepProbe(peer, now);
      this.#congestion.silent.sweep(peer, now);
      this.#serve(peer, now);
    }
  }

  nextTimeout(): Instant | undefined {
    return earliest(this.#sent.nextTimeout(), this.#wakes.next());
  }

  /** Starts whatever of `peer` may go, and sets the time to look again if something may not. */
  #serve(peer: PeerKey, now: Instant): void {
    // While requests wait for a sign of life, something is on its way that asks for one.
    if (this.#congestion.wantsPing(peer)) this.#enqueue(pingContent(peer), now, { isProbe: true });
    let wake = this.#congestion.silent.until(peer);
    for (let i = 0; i < lanes.length; i++) {
      for (;;) {
        const transmission = this.#congestion.ready(peer, lanes[i] as Lane, now);
        if (transmission === undefined) break;
        if (!this.#start(transmission, now)) {
          this.#counters.messageIdsExhausted++;
          wake = earliest(wake, this.messageIds.nextRelease(peer));
          break;
        }
        // The rest of a body goes before the next one, which it counts against.
        if (transmission.part?.first) {
          i = -1;
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
    const { peer, lane, datagram } = transmission;
    if (transmission.isOutdated) {
      transmission.state = 'sent';
      transmission.isHeld = true;
      this.#outputs.push({ kind: 'renewal-due', transmission: transmission.id });
    } else if (!this.#sent.send(transmission, this.#paceOf(transmission, now), now)) return false;
    this.#congestion.begin(peer, lane, transmission, datagram.length, now);
    this.#waiting.delete(transmission);
    // Whoever sent a request that expects no response waits for this alone.
    if (transmission.hasWaited && lane === 'non-request') {
      this.#outputs.push({ kind: 'started', transmission: transmission.id });
    }
    return true;
  }

  /** The timeouts of a Confirmable message; `undefined` for a Non-confirmable one. */
  #paceOf({ peer, lane }: Transmission, now: Instant): Pace | undefined {
    if (lane !== 'request' && lane !== 'reply') return undefined;
    return this.#paths.pace(peer, this.#congestion.outstandingIn(peer, lane), now);
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
    const { id, formerAcknowledged } = transmission;
    this.#outputs.push({
      kind: 'timed-out',
      transmission: id,
      ...(formerAcknowledged && { formerAcknowledged }),
    });
  }

  /** What an acknowledged message tells about the path. */
  #learn({ peer, retransmission }: Transmission, now: Instant): void {
    if (retransmission === undefined) return;
    const transmissions = retransmission.attempt + 1;
    this.#paths.learn(peer, { transmissions, roundTripMs: retransmission.elapsedMs(now) }, now);
  }

  /** Removes a transmission from everything that knows it. */
  #settle(transmission: Transmission): void {
    const { id, peer, lane, state } = transmission;
    transmission.state = 'settled';
    this.#transmissions.delete(id);
    if (state === 'waiting') {
      this.#congestion.withdraw(peer, lane, transmission);
      this.#waiting.delete(transmission);
    }
    if (state !== 'sent') return;
    this.#sent.remove(transmission);
    if (lane === 'request' || lane === 'reply') this.#congestion.end(peer, lane);
  }

  #isWaiting(peer: PeerKey): boolean {
    return lanes.some((lane) => this.#congestion.isWaiting(peer, lane));
  }
}
