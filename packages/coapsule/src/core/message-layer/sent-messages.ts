/**
 * Messages of ours that were sent and may still be acknowledged or reset: their Message IDs, and when they are sent again.
 *
 * RFC 7252 §4.2 to §4.4. What holds a message back until it may go, and what becomes of it in the end, is the matter of
 * `transmission-table.ts`.
 *
 * @module
 */

import {
  exchangeLifetimeMs,
  maxTransmitWaitMs,
  nonLifetimeMs,
  type TransmissionParameters,
} from '../coap/transmission-parameters.ts';
import { after, type DurationMs, earliest, type Instant } from '../foundation/instant.ts';
import type { OutputQueue } from '../foundation/output-queue.ts';
import type { RandomSource } from '../foundation/random-source.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { LineClock } from './line-clock.ts';
import { type MessageIdRange, MessageIds } from './message-id-space.ts';
import type { MessageLayerCounters, MessageLayerLimits } from './message-layer-limits.ts';
import type { MessageLayerOutput, PeerKey } from './message-layer-output.ts';
import type { Pace } from './path-estimates.ts';
import { ResetWindow } from './reset-window.ts';
import { Retransmission } from './retransmission.ts';
import type { Transmission } from './transmission.ts';

/** What `SentMessages` needs. */
export interface SentMessagesOptions {
  readonly parameters: TransmissionParameters;
  readonly random: RandomSource;
  readonly limits: MessageLayerLimits;
  readonly counters: MessageLayerCounters;
  readonly outputs: OutputQueue<MessageLayerOutput>;
  /** See `MessageLayerOptions`. */
  readonly oneMessageIdSpace: boolean;
  readonly messageIds: MessageIdRange;
  readonly line: LineClock;
}

/** Who is told of messages that nothing more comes for; `remove` is left to them. */
export interface SentMessagesEffects {
  /** A Non-confirmable message that no Reset is expected for any more. */
  readonly lapsed: (transmission: Transmission) => void;
  /** A Confirmable message that was sent for the last time long enough ago. */
  readonly givenUp: (transmission: Transmission, retransmission: Retransmission, now: Instant) => void;
}

/** See the module comment. */
export class SentMessages {
  readonly #parameters: TransmissionParameters;
  readonly #random: RandomSource;
  readonly #limits: MessageLayerLimits;
  readonly #counters: MessageLayerCounters;
  readonly #outputs: OutputQueue<MessageLayerOutput>;
  readonly #line: LineClock;
  readonly #effects: SentMessagesEffects;
  readonly #lifetimeMs: Readonly<Record<'CON' | 'NON', DurationMs>>;
  readonly messageIds: MessageIds;
  /** By peer and Message ID (RFC 7252 §4.4). */
  readonly #byPeer = new Map<PeerKey, Map<number, Transmission>>();
  /** Next retransmission, or give-up, of each Confirmable message. */
  readonly #retransmissions = new TimerQueue<Transmission>();
  readonly #resetWindow = new ResetWindow();

  constructor(options: SentMessagesOptions, effects: SentMessagesEffects) {
    const { parameters, random, limits } = options;
    this.#parameters = parameters;
    this.#random = random;
    this.#limits = limits;
    this.#counters = options.counters;
    this.#outputs = options.outputs;
    this.#line = options.line;
    this.#effects = effects;
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
      options.messageIds,
    );
  }

  /** Peers, messages and Message IDs remembered. */
  get size(): number {
    return this.#byPeer.size + this.messageIds.size + this.#retransmissions.size + this.#resetWindow.size;
  }

  /** A message that was sent, and not removed. */
  find(peer: PeerKey, messageId: number): Transmission | undefined {
    return this.#byPeer.get(peer)?.get(messageId);
  }

  /** RFC 7252 §4.3: a Non-confirmable message is never acknowledged, so only Confirmable ones match an ACK. */
  findConfirmable(peer: PeerKey, messageId: number): Transmission | undefined {
    const transmission = this.find(peer, messageId);
    return transmission?.retransmission ? transmission : undefined;
  }

  /** All to a peer. */
  to(peer: PeerKey): readonly Transmission[] {
    return [...new Set(this.#byPeer.get(peer)?.values())];
  }

  /**
   * The first transmission; changes `transmission`.
   *
   * @param pace The timeouts of a Confirmable message; `undefined` for a Non-confirmable one.
   * @returns false when no Message ID is free.
   */
  send(transmission: Transmission, pace: Pace | undefined, now: Instant): boolean {
    const { peer, datagram, isUnpredictable } = transmission;
    const lifetimeMs = this.#lifetimeMs[pace === undefined ? 'NON' : 'CON'];
    const messageId = this.messageIds.allocate(peer, lifetimeMs, now, isUnpredictable);
    if (messageId === undefined) return false;
    datagram[2] = messageId >> 8;
    datagram[3] = messageId & 255;
    transmission.messageId = messageId;
    transmission.state = 'sent';
    this.#index(transmission);
    const wireMs = this.#line.sent(datagram.length, now);
    if (pace !== undefined) {
      this.#counters.outstanding++;
      const retransmission = new Retransmission(this.#parameters, this.#random, now, pace, wireMs);
      transmission.retransmission = retransmission;
      this.#retransmissions.set(transmission, retransmission.deadline);
    } else {
      transmission.lapses = after(now, lifetimeMs);
      this.#resetWindow.add(transmission);
      if (this.#resetWindow.size > this.#limits.trackedNonConfirmable) this.#closeFirstWindow();
    }
    this.#transmit(transmission);
    return true;
  }

  /**
   * The next attempt of a Confirmable message that is held, with its new content: under a Message ID of its own, with the
   * counter and the timeout of the one whose place it takes (RFC 7641 §4.5.2).
   *
   * @returns false when no Message ID is free.
   */
  renew(transmission: Transmission, now: Instant): boolean {
    const { peer, datagram, isUnpredictable, retransmission } = transmission;
    const messageId = this.messageIds.allocate(peer, this.#lifetimeMs.CON, now, isUnpredictable);
    if (messageId === undefined || retransmission === undefined) return false;
    datagram[2] = messageId >> 8;
    datagram[3] = messageId & 255;
    // Who acknowledges or rejects the former one only now is still interested, or not any more.
    transmission.formerMessageIds.push(transmission.messageId);
    transmission.messageId = messageId;
    this.#index(transmission);
    this.#line.sent(datagram.length, now);
    retransmission.resume(now);
    this.#retransmissions.set(transmission, retransmission.deadline);
    this.#transmit(transmission);
    return true;
  }

  /** Nothing is expected for a message any more. Its Message IDs stay in use for their time. */
  remove(transmission: Transmission): void {
    const { peer } = transmission;
    const sent = this.#byPeer.get(peer);
    for (const messageId of [transmission.messageId, ...transmission.formerMessageIds]) {
      if (sent?.get(messageId) === transmission) sent.delete(messageId);
    }
    if (sent?.size === 0) this.#byPeer.delete(peer);
    if (transmission.retransmission === undefined) return;
    this.#retransmissions.cancel(transmission);
    this.#counters.outstanding--;
  }

  /**
   * The link was interrupted and is there again: every message without acknowledgement goes once more, besides its
   * schedule, which after a long interruption would let the link idle for up to half a minute. What is out of date does
   * not go (RFC 7641 §4.5.2).
   */
  sendAgain(now: Instant): void {
    for (const transmissions of this.#byPeer.values()) {
      for (const [messageId, transmission] of transmissions) {
        const { id, datagram, retransmission } = transmission;
        // It is known by its former Message IDs too.
        if (messageId !== transmission.messageId || transmission.isOutdated) continue;
        if (retransmission?.mayBeSentAgain(now) !== true) continue;
        this.#counters.retransmitted++;
        this.#line.sent(datagram.length, now);
        this.#transmit(transmission);
        this.#outputs.push({ kind: 'retransmitted', transmission: id, attempt: retransmission.attempt });
      }
    }
  }

  handleTimeout(now: Instant): void {
    for (let { lapses } = this.#resetWindow; lapses !== undefined && lapses <= now; ) {
      this.#closeFirstWindow();
      lapses = this.#resetWindow.lapses;
    }
    for (let due = this.#retransmissions.expire(now); due; due = this.#retransmissions.expire(now)) {
      this.#retransmit(due, now);
    }
    this.messageIds.handleTimeout(now);
  }

  nextTimeout(): Instant | undefined {
    return earliest(
      this.#retransmissions.next(),
      earliest(this.messageIds.nextTimeout(), this.#resetWindow.lapses),
    );
  }

  #index(transmission: Transmission): void {
    const { peer, messageId } = transmission;
    const sent = this.#byPeer.get(peer) ?? new Map<number, Transmission>();
    this.#byPeer.set(peer, sent.set(messageId, transmission));
  }

  #retransmit(transmission: Transmission, now: Instant): void {
    const { id, datagram, retransmission } = transmission;
    if (retransmission === undefined) return;
    switch (retransmission.expire(now)) {
      case 'retransmit':
        if (transmission.isOutdated) {
          transmission.isHeld = true;
          this.#outputs.push({ kind: 'renewal-due', transmission: id });
          return;
        }
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
        this.#effects.givenUp(transmission, retransmission, now);
        return;
    }
  }

  #transmit({ id, peer, datagram, isProbe }: Transmission): void {
    this.#counters.transmitted++;
    this.#outputs.push({ kind: 'transmit', peer, datagram, transmission: id, isProbe });
  }

  #closeFirstWindow(): void {
    const first = this.#resetWindow.shift();
    if (first) this.#effects.lapsed(first);
  }
}
