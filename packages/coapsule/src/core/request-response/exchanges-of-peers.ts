/**
 * Which Exchanges there are with which peer.
 *
 * @module
 */

import type { PeerKey } from './exchange.ts';

/** Exchanges by peer. Most peers have one, for which no set is made. */
export class ExchangesOfPeers<Exchange extends { readonly peer: PeerKey }> {
  readonly #ofPeer = new Map<PeerKey, Exchange | Set<Exchange>>();

  /** How many there are with a peer. */
  count(peer: PeerKey): number {
    const known = this.#ofPeer.get(peer);
    if (known === undefined) return 0;
    return known instanceof Set ? known.size : 1;
  }

  /** Those with a peer, the oldest first. */
  of(peer: PeerKey): readonly Exchange[] {
    const known = this.#ofPeer.get(peer);
    if (known === undefined) return [];
    return known instanceof Set ? [...known] : [known];
  }

  add(exchange: Exchange): void {
    const { peer } = exchange;
    const known = this.#ofPeer.get(peer);
    if (known === undefined) this.#ofPeer.set(peer, exchange);
    else if (known instanceof Set) known.add(exchange);
    else if (known !== exchange) this.#ofPeer.set(peer, new Set([known, exchange]));
  }

  delete(exchange: Exchange): void {
    const { peer } = exchange;
    const known = this.#ofPeer.get(peer);
    if (known instanceof Set) {
      known.delete(exchange);
      if (known.size === 0) this.#ofPeer.delete(peer);
    } else if (known === exchange) this.#ofPeer.delete(peer);
  }
}
