/**
 * Devices under OSCORE alone: who protects its requests from end to end, and came over a hop that proves nothing.
 *
 * There is no association that says when they came and went, so they are known by their requests. At most so many, those
 * heard last; in the thread that has the contexts.
 */
import type { Middleware, Request } from 'coapsule';
import { provenDevice } from '../access/proven-device.ts';
import { BoundedMap } from '../memory/bounded-map.ts';

/** One of them. */
export interface OscorePeer {
  /** Grows in the order in which they were first heard. */
  readonly number: number;
  readonly identity: string;
  /** Where its latest request came from; a proxy, where one is between. */
  address: string;
  /** `udp`, `tcp`, `ws` or `serial`. */
  transport: string;
  readonly firstMs: number;
  lastMs: number;
}

const mostPeers = 10_000;

/** See the module comment. */
export class OscorePeers {
  readonly #peers = new BoundedMap<string, OscorePeer>(mostPeers);
  readonly #now: () => number;
  #last = 0;

  /** @param now Milliseconds, never going back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Goes around all handlers. */
  readonly middleware: Middleware = (request, next) => {
    if (!request.isRefresh) this.#note(request);
    return next();
  };

  /** Some that were first heard after that number, in that order. */
  after(number: number, limit: number): readonly OscorePeer[] {
    return [...this.#peers.values()]
      .filter((peer) => peer.number > number)
      .sort((one, other) => one.number - other.number)
      .slice(0, limit);
  }

  /** Milliseconds, as those of the peers. */
  nowMs(): number {
    return this.#now();
  }

  #note({ peer }: Request): void {
    if (peer.oscore === undefined || peer.security.kind !== 'none') return;
    const identity = provenDevice(peer)?.identity;
    if (identity === undefined) return;
    const lastMs = this.#now();
    const known = this.#peers.get(identity);
    const entry = known ?? {
      number: ++this.#last,
      identity,
      address: '',
      transport: '',
      firstMs: lastMs,
      lastMs,
    };
    entry.address = peer.address.key;
    entry.transport = peer.transport;
    entry.lastMs = lastMs;
    this.#peers.set(identity, entry);
  }
}
