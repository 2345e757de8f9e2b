/**
 * How many messages may be on their way to one peer: NSTART and PROBING_RATE (RFC 7252 §4.7).
 *
 * Five lanes for each peer, each by priority and then first in, first out:
 * - `request`: Confirmable requests and pings; at most NSTART not acknowledged. After one of them was given up
 *   without a sound from the peer, only pings go, until something comes from it (`silent-peers.ts`).
 * - `reply`: Confirmable responses and notifications; also at most NSTART. They are counted apart from
 *   requests: two endpoints that ask each other would otherwise each wait for a reply that the other
 *   holds back behind its own unacknowledged request.
 * - `non-request`: Non-confirmable requests, and a server's questions for missing blocks (RFC 9177 §7.2); PROBING_RATE while
 *   the peer answers nothing.
 * - `non-block`: those that carry a part of a body, but for its first (RFC 9177 §7.2: a body is subject to PROBING_RATE,
 *   and not each packet). They go as soon as the first has gone, and count: the next body waits for all their bytes, but
 *   not longer than NON_PROBING_WAIT.
 * - `non-reply`: Non-confirmable responses. What limits notifications is RFC 7641 §4.5.1, a layer above.
 *
 * PROBING_RATE is an average. It is taken over EXCHANGE_LIFETIME, after which a requester stops
 * expecting a response: 247 bytes may go out at once, then one byte a second, until the peer sends
 * something. Confirmable messages are not counted: their back-off and NSTART hold them down, and to a peer that
 * does not answer only pings of 4 bytes go, five of them in 62 s or more.
 *
 * Neither sends nor has timers; `transmission-table.ts` owns the order of things.
 *
 * @module
 */

import {
  exchangeLifetimeMs,
  nonProbingWaitMs,
  type TransmissionParameters,
} from '../coap/transmission-parameters.ts';
import { after, type DurationMs, elapsedMs, type Instant } from '../foundation/instant.ts';
import { LaneQueue } from './lane-queue.ts';
import type { BodyPart, MessagePriority, PeerKey } from './message-layer-output.ts';
import { SilentPeers } from './silent-peers.ts';

/** In the order in which they are served when Message IDs are scarce. */
export const lanes = ['reply', 'request', 'non-reply', 'non-block', 'non-request'] as const;

/** Which messages wait for each other. */
export type Lane = (typeof lanes)[number];

/** The lane of a message. */
export function laneOf(type: 'CON' | 'NON', isResponse: boolean, part?: BodyPart): Lane {
  if (type === 'CON') return isResponse ? 'reply' : 'request';
  if (isResponse) return 'non-reply';
  return part === undefined || part.first ? 'non-request' : 'non-block';
}

/** What can wait in a lane. */
interface Waiting {
  readonly priority: MessagePriority;
  readonly part: BodyPart | undefined;
}

interface PeerLanes<Item extends Waiting> {
  readonly waiting: Readonly<Record<Lane, LaneQueue<Item>>>;
  /** Parts of bodies whose first part waits, by body. */
  readonly behind: Map<number, Set<Item>>;
  /** When something last came from the peer, as far as anything was waiting or outstanding then. */
  heardAt: Instant | undefined;
  readonly outstanding: { request: number; reply: number };
}

interface Probe {
  /** Bytes that may go out; below zero after a message that was larger than the rest. */
  allowance: number;
  at: Instant;
}

/** The lanes of all peers. A peer is forgotten as soon as nothing is waiting or outstanding. */
export class CongestionControl<Item extends Waiting> {
  readonly #nstartOf: (peer: PeerKey) => number;
  readonly #bytesPerMs: number;
  readonly #burstBytes: number;
  /** The least that the allowance of a peer may be after a body. */
  readonly #leastBytes: number;
  readonly #peers = new Map<PeerKey, PeerLanes<Item>>();
  readonly #probes = new Map<PeerKey, Probe>();
  readonly silent: SilentPeers;

  /** @param nstartOf NSTART for a peer; `undefined` leaves it to the parameters. */
  constructor(
    parameters: TransmissionParameters,
    nstartOf: (peer: PeerKey) => number | undefined = () => undefined,
  ) {
    this.#nstartOf = (peer) => nstartOf(peer) ?? parameters.nstart;
    this.silent = new SilentPeers(exchangeLifetimeMs(parameters));
    this.#bytesPerMs = parameters.probingRateBytesPerSecond / 1000;
    this.#burstBytes = this.#bytesPerMs * exchangeLifetimeMs(parameters);
    this.#leastBytes = -this.#bytesPerMs * nonProbingWaitMs(parameters);
  }

  /** Peers with something waiting or outstanding. */
  get size(): number {
    return this.#peers.size;
  }

  /** Peers that were asked without Confirmable messages and have not answered. */
  get probed(): number {
    return this.#probes.size;
  }

  /** NSTART for a peer. */
  nstart(peer: PeerKey): number {
    return this.#nstartOf(peer);
  }

  /** Puts `item` behind those of its lane and priority. */
  enqueue(peer: PeerKey, lane: Lane, item: Item): void {
    let state = this.#peers.get(peer);
    if (state === undefined) {
      state = {
        waiting: {
          reply: new LaneQueue(),
          request: new LaneQueue(),
          'non-reply': new LaneQueue(),
          'non-block': new LaneQueue(),
          'non-request': new LaneQueue(),
        },
        behind: new Map(),
        heardAt: undefined,
        outstanding: { request: 0, reply: 0 },
      };
      this.#peers.set(peer, state);
    }
    const { part } = item;
    const behind = part && state.behind.get(part.body);
    if (lane === 'non-block' && behind !== undefined) {
      behind.add(item);
      return;
    }
    if (lane === 'non-request' && part?.first) state.behind.set(part.body, new Set());
    state.waiting[lane].add(item);
  }

  /** Takes `item` out of its lane without sending it. */
  withdraw(peer: PeerKey, lane: Lane, item: Item): void {
    const state = this.#peers.get(peer);
    state?.waiting[lane].delete(item);
    if (lane === 'non-block') state?.behind.get(item.part?.body ?? -1)?.delete(item);
    if (lane === 'non-request') this.#letFollow(state, item);
    this.#forgetIfIdle(peer);
  }

  /** The first part of a body waits no longer. */
  #letFollow(state: PeerLanes<Item> | undefined, { part }: Item): void {
    const behind = part && state?.behind.get(part.body);
    if (state === undefined || part === undefined || behind === undefined) return;
    state.behind.delete(part.body);
    for (const item of behind) state.waiting['non-block'].add(item);
  }

  /** The next item of a lane, if it may go now; it stays there until `begin` or `withdraw`. */
  ready(peer: PeerKey, lane: Lane, now: Instant): Item | undefined {
    const state = this.#peers.get(peer);
    if (state === undefined) return undefined;
    if ((lane === 'request' || lane === 'reply') && state.outstanding[lane] >= this.#nstartOf(peer)) {
      return undefined;
    }
    if (lane === 'non-request' && this.#allowance(peer, now) <= 0) return undefined;
    return state.waiting[lane].first(lane === 'request' && this.silent.has(peer) ? 'ping' : undefined);
  }

  /** Whether requests wait for a sign of life, and nothing is on its way that may bring one. */
  wantsPing(peer: PeerKey): boolean {
    const state = this.#peers.get(peer);
    if (state === undefined || !this.silent.has(peer) || state.outstanding.request > 0) return false;
    return state.waiting.request.size > 0 && state.waiting.request.sizeOf('ping') === 0;
  }

  /** Whether anything waits in a lane. */
  isWaiting(peer: PeerKey, lane: Lane): boolean {
    return this.waitingIn(peer, lane) > 0;
  }

  /** How much waits in a lane. */
  waitingIn(peer: PeerKey, lane: Lane): number {
    const state = this.#peers.get(peer);
    if (state === undefined) return 0;
    let { size } = state.waiting[lane];
    if (lane === 'non-block') for (const behind of state.behind.values()) size += behind.size;
    return size;
  }

  /** Confirmable messages of a lane sent and not acknowledged. */
  outstandingIn(peer: PeerKey, lane: 'request' | 'reply'): number {
    return this.#peers.get(peer)?.outstanding[lane] ?? 0;
  }

  /** Whether something came from `peer` after `since`; known while something of ours is with it, or waits. */
  wasHeard(peer: PeerKey, since: Instant): boolean {
    const heardAt = this.#peers.get(peer)?.heardAt;
    return heardAt !== undefined && heardAt > since;
  }

  /** All that waits in a lane. */
  waiting(peer: PeerKey, lane: Lane): readonly Item[] {
    return [...(this.#peers.get(peer)?.waiting[lane] ?? [])];
  }

  /** `item` goes out, as `bytes` bytes. In the Confirmable lanes, `end` must follow. */
  begin(peer: PeerKey, lane: Lane, item: Item, bytes: number, now: Instant): void {
    const state = this.#peers.get(peer);
    if (state === undefined) return;
    state.waiting[lane].delete(item);
    if (lane === 'request' || lane === 'reply') state.outstanding[lane]++;
    if (lane === 'non-request' || lane === 'non-block') {
      const before = this.#allowance(peer, now);
      const rest = before - bytes;
      const least = item.part === undefined ? rest : Math.min(before, this.#leastBytes);
      this.#probes.set(peer, { allowance: Math.max(rest, least), at: now });
    }
    if (lane === 'non-request') this.#letFollow(state, item);
    this.#forgetIfIdle(peer);
  }

  /** A Confirmable message is no longer outstanding: acknowledged, reset, given up or stopped. */
  end(peer: PeerKey, lane: 'request' | 'reply'): void {
    const state = this.#peers.get(peer);
    if (state === undefined) return;
    state.outstanding[lane]--;
    this.#forgetIfIdle(peer);
  }

  /** The peer sent something: it does respond. Returns whether that may let requests go. */
  heardFrom(peer: PeerKey, now: Instant): boolean {
    const state = this.#peers.get(peer);
    if (state !== undefined) state.heardAt = now;
    const wasProbed = this.#probes.size > 0 && this.#probes.delete(peer);
    const wasSilent = this.silent.heardFrom(peer);
    return (
      (wasProbed && this.isWaiting(peer, 'non-request')) || (wasSilent && this.isWaiting(peer, 'request'))
    );
  }

  /**
   * When PROBING_RATE lets the next request go or, with none waiting, forgets the peer.
   * `undefined` for a peer that is not being probed.
   */
  probingTimeout(peer: PeerKey, now: Instant): Instant | undefined {
    if (!this.#probes.has(peer)) return undefined;
    const wanted = this.isWaiting(peer, 'non-request') ? 0 : this.#burstBytes;
    const missing = wanted - this.#allowance(peer, now);
    // Half a byte more, so that rounding does not wake us just before.
    const waitMs: DurationMs = (Math.max(missing, 0) + 0.5) / this.#bytesPerMs;
    return after(now, waitMs);
  }

  /** Forgets that `peer` did not answer, once the average is back under PROBING_RATE. */
  sweepProbe(peer: PeerKey, now: Instant): void {
    if (this.#probes.has(peer) && this.#allowance(peer, now) >= this.#burstBytes) this.#probes.delete(peer);
  }

  /** Forgets `peer`, and returns what was waiting. */
  forgetPeer(peer: PeerKey): Item[] {
    const state = this.#peers.get(peer);
    this.#peers.delete(peer);
    this.#probes.delete(peer);
    this.silent.heardFrom(peer);
    if (state === undefined) return [];
    const behind = [...state.behind.values()].flatMap((items) => [...items]);
    return [...lanes.flatMap((lane) => [...state.waiting[lane]]), ...behind];
  }

  #allowance(peer: PeerKey, now: Instant): number {
    const probe = this.#probes.get(peer);
    if (probe === undefined) return this.#burstBytes;
    return Math.min(this.#burstBytes, probe.allowance + elapsedMs(probe.at, now) * this.#bytesPerMs);
  }

  #forgetIfIdle(peer: PeerKey): void {
    const state = this.#peers.get(peer);
    if (state === undefined || state.outstanding.request > 0 || state.outstanding.reply > 0) return;
    for (const lane of lanes) if (state.waiting[lane].size > 0) return;
    this.#peers.delete(peer);
  }
}
