/**
 * Echo values that servers gave a client, to be sent back to them.
 *
 * RFC 9175 §2.3: a value goes back to the endpoint it came from only, and may go with several requests. It is sent until a
 * newer one comes, so that what must be fresh, or who must prove an address, need not be asked each time; but not for
 * ever, as it lets a server recognise the client (§6).
 *
 * @module
 */

import { after, type DurationMs, type Instant } from '../foundation/instant.ts';
import type { PeerKey } from './exchange.ts';

/** No server that we know of takes a value longer. */
const lifetimeMs: DurationMs = 600_000;

/** Servers whose value is kept; of more, the one that gave its value longest ago must ask again. */
const maxServers = 1_024;

interface ReceivedEcho {
  readonly value: Uint8Array;
  readonly until: Instant;
}

/** The latest Echo value of each server. */
export class ReceivedEchoes {
  readonly #values = new Map<PeerKey, ReceivedEcho>();

  /** Servers whose value is kept. */
  get size(): number {
    return this.#values.size;
  }

  /** A response of `peer` had this Echo; copied. */
  take(peer: PeerKey, value: Uint8Array, now: Instant): void {
    this.#values.delete(peer);
    this.#values.set(peer, { value: value.slice(), until: after(now, lifetimeMs) });
    if (this.#values.size <= maxServers) return;
    const [oldest] = this.#values.keys();
    this.#values.delete(oldest as PeerKey);
  }

  /** The value to send to `peer`. */
  of(peer: PeerKey, now: Instant): Uint8Array | undefined {
    const echo = this.#values.get(peer);
    if (echo === undefined) return undefined;
    if (now < echo.until) return echo.value;
    this.#values.delete(peer);
    return undefined;
  }

  /** The endpoint is gone: a value belongs to one security association. */
  forgetPeer(peer: PeerKey): void {
    this.#values.delete(peer);
  }
}
