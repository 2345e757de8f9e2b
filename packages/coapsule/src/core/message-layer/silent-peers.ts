/**
 * Peers that let a Confirmable request be given up without a sound, and have not been heard since.
 *
 * One request in thirty is given up at 30 % loss although the peer is there, so the others must not fail with it. But
 * whether the peer is there is asked with pings, and not with the requests one after the other: to an endpoint that
 * does not respond goes no more than PROBING_RATE (RFC 7252 §4.7), and of five pings, 20 bytes in 62 s or more, that is
 * true at any size of the requests. When nothing came in three rounds, the request and two pings, by then 186 … 279 s
 * after the request was first sent, what waits has no better chance; EXCHANGE_LIFETIME, after which a client
 * stops expecting a response, is 247 s. At 30 % loss three rounds fail once in 24,000 times.
 *
 * A peer stays known for EXCHANGE_LIFETIME after the last round began, so that new requests to it begin with a ping too.
 *
 * @module
 */

import { after, type DurationMs, type Instant } from '../foundation/instant.ts';
import type { PeerKey } from './message-layer-output.ts';

/** Rounds without a sound after which waiting requests are given up. */
const roundsAtMost = 3;
/** Silent peers remembered at most; without memory of it, a peer is sent the next request itself. */
const peersAtMost = 8192;

interface Silence {
  rounds: number;
  /** When the latest round ended. */
  endedAt: Instant;
  /** When it is forgotten. */
  until: Instant;
}

/** See the module comment. */
export class SilentPeers {
  readonly #peers = new Map<PeerKey, Silence>();
  readonly #keepMs: DurationMs;

  /** @param keepMs EXCHANGE_LIFETIME. */
  constructor(keepMs: DurationMs) {
    this.#keepMs = keepMs;
  }

  get size(): number {
    return this.#peers.size;
  }

  has(peer: PeerKey): boolean {
    return this.#peers.size > 0 && this.#peers.has(peer);
  }

  /**
   * A request or ping of ours, first sent at `start`, was given up in silence.
   *
   * @returns whether those that waited since before `start` are to be given up as well.
   */
  givenUp(peer: PeerKey, start: Instant, now: Instant): boolean {
    const until = after(start, this.#keepMs);
    let silence = this.#peers.get(peer);
    if (silence === undefined) {
      silence = { rounds: 1, endedAt: now, until };
      this.#peers.set(peer, silence);
      if (this.#peers.size > peersAtMost) {
        const [oldest] = this.#peers.keys();
        this.#peers.delete(oldest as PeerKey);
      }
    } else if (start >= silence.endedAt) {
      // With NSTART above 1 several end one round.
      silence.rounds++;
      silence.endedAt = now;
      silence.until = until;
    }
    return silence.rounds >= roundsAtMost;
  }

  /** Something came from the peer, or it is gone. Returns whether it had been silent. */
  heardFrom(peer: PeerKey): boolean {
    return this.#peers.size > 0 && this.#peers.delete(peer);
  }

  /** When `sweep` may forget a peer. */
  until(peer: PeerKey): Instant | undefined {
    return this.#peers.get(peer)?.until;
  }

  /** Forgets a peer whose time is over. */
  sweep(peer: PeerKey, now: Instant): void {
    const until = this.until(peer);
    if (until !== undefined && until <= now) this.#peers.delete(peer);
  }
}
