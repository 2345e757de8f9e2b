/**
 * What the Confirmable messages to each peer tell about the path: round trip, loss, and with CoCoA the timeout of the
 * next one.
 *
 * CoCoA is draft-ietf-core-cocoa-03, for messages that are Confirmable:
 * - Two estimators of RFC 6298: the strong one learns from messages acknowledged without a retransmission, the weak one
 *   (K = 1) from those after the first or second, counted from the first transmission (§4.2). Later ones tell nothing.
 *   RTO := 0.5 · strong + 0.5 · RTO, or 0.25 · weak + 0.75 · RTO.
 * - Before the first sample ACK_TIMEOUT, times the number of messages under way (§4.1).
 * - Back-off by 3 below 1 s, by 1.5 above 3 s, otherwise by 2; no interval is longer than 32 s (§4.2.1).
 * - An RTO below 1 s that was not used for 16 times as long doubles; one above 3 s, after 4 times, becomes
 *   1 s + RTO / 2 (§4.3).
 *
 * Not from there: the rules for Non-confirmable messages (§5); PROBING_RATE and RFC 7641 §4.5.1 stay in force.
 *
 * @module
 */

import { after, type DurationMs, elapsedMs, type Instant } from '../foundation/instant.ts';
import type { PeerKey } from './message-layer-output.ts';
import { RoundTripEstimator } from './round-trip-estimator.ts';

/** How the timeouts of Confirmable messages are chosen. */
export type CongestionControlName = 'rfc7252' | 'cocoa';

/** The timeouts of one message. */
export interface Pace {
  /** The first timeout without ACK_RANDOM_FACTOR. */
  readonly timeoutMs: DurationMs;
  /** What each timeout is multiplied by for the next. */
  readonly backOff: number;
  /** Longest timeout. */
  readonly longestMs: DurationMs;
}

/** What became of one Confirmable message. */
export interface Outcome {
  readonly transmissions: number;
  /** From the first transmission; `undefined` when it was given up. */
  readonly roundTripMs: DurationMs | undefined;
}

/** Weight of what was, after each message: the last 16 count most. */
const memory = 15 / 16;
/** Messages before a loss rate is told. */
const messagesAtLeast = 4;
const longestTimeoutMs = 32_000;

interface Path {
  readonly strong: RoundTripEstimator;
  readonly weak: RoundTripEstimator;
  /** RTO; `undefined` before the first sample. */
  timeoutMs: DurationMs | undefined;
  /** When it was last changed, by a sample or by age. */
  changedAt: Instant;
  messages: number;
  sent: number;
  answered: number;
}

/** See the module comment. */
export class PathEstimates {
  readonly #control: CongestionControlName;
  readonly #ackTimeoutMs: DurationMs;
  readonly #maxPeers: number;
  /** The one that was used longest ago first. */
  readonly #paths = new Map<PeerKey, Path>();

  /** @param maxPeers Peers remembered; the one used longest ago is forgotten for another. */
  constructor(control: CongestionControlName, ackTimeoutMs: DurationMs, maxPeers: number) {
    this.#control = control;
    this.#ackTimeoutMs = ackTimeoutMs;
    this.#maxPeers = maxPeers;
  }

  get size(): number {
    return this.#paths.size;
  }

  /** @param underWay Confirmable messages to the peer that are not acknowledged. */
  pace(peer: PeerKey, underWay: number, now: Instant): Pace {
    if (this.#control === 'rfc7252') {
      return { timeoutMs: this.#ackTimeoutMs, backOff: 2, longestMs: Infinity };
    }
    const path = this.#paths.get(peer);
    const known = path && age(path, now);
    const timeoutMs = Math.min(known ?? this.#ackTimeoutMs * (underWay + 1), longestTimeoutMs);
    const backOff = timeoutMs < 1000 ? 3 : timeoutMs > 3000 ? 1.5 : 2;
    return { timeoutMs, backOff, longestMs: longestTimeoutMs };
  }

  /** A message was acknowledged or given up. */
  learn(peer: PeerKey, { transmissions, roundTripMs }: Outcome, now: Instant): void {
    const path = this.#use(peer, now);
    path.messages++;
    path.sent = path.sent * memory + transmissions;
    path.answered *= memory;
    if (roundTripMs === undefined) return;
    path.answered++;
    if (transmissions > 3) return;
    const before = age(path, now) ?? this.#ackTimeoutMs;
    path.timeoutMs =
      transmissions === 1
        ? 0.5 * path.strong.take(roundTripMs) + 0.5 * before
        : 0.25 * path.weak.take(roundTripMs) + 0.75 * before;
    path.changedAt = now;
  }

  /** See `PeerTraffic.lossRate`: of the round trips that failed, what one way accounts for. */
  lossRate(peer: PeerKey): number | undefined {
    const path = this.#paths.get(peer);
    if (path === undefined || path.messages < messagesAtLeast) return undefined;
    return 1 - Math.sqrt(Math.min(1, path.answered / path.sent));
  }

  /** See `PeerTraffic.roundTripMs`. */
  roundTripMs(peer: PeerKey): DurationMs | undefined {
    return this.#paths.get(peer)?.strong.smoothedMs;
  }

  forgetPeer(peer: PeerKey): void {
    this.#paths.delete(peer);
  }

  #use(peer: PeerKey, now: Instant): Path {
    let path = this.#paths.get(peer);
    if (path === undefined) {
      path = {
        strong: new RoundTripEstimator(4),
        weak: new RoundTripEstimator(1),
        timeoutMs: undefined,
        changedAt: now,
        messages: 0,
        sent: 0,
        answered: 0,
      };
      if (this.#paths.size >= this.#maxPeers) {
        const [oldest] = this.#paths.keys();
        this.#paths.delete(oldest as PeerKey);
      }
    } else {
      this.#paths.delete(peer);
    }
    this.#paths.set(peer, path);
    return path;
  }
}

/** The RTO after the time that it was not used. */
function age(path: Path, now: Instant): DurationMs | undefined {
  let { timeoutMs } = path;
  if (timeoutMs === undefined) return undefined;
  for (;;) {
    const times: number = timeoutMs < 1000 ? 16 : timeoutMs > 3000 ? 4 : Infinity;
    if (elapsedMs(path.changedAt, now) < times * timeoutMs) break;
    path.changedAt = after(path.changedAt, times * timeoutMs);
    timeoutMs = times === 16 ? 2 * timeoutMs : 1000 + timeoutMs / 2;
  }
  path.timeoutMs = timeoutMs;
  return timeoutMs;
}
