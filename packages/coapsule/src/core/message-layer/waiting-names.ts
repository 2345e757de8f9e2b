/**
 * Messages that wait for their turn under a name (`QueueOptions.replaces`): a later one with the same name, to the same
 * peer and of the same type, takes the place of the earlier.
 *
 * @module
 */

import type { Lane } from './congestion.ts';
import type { PeerKey } from './message-layer-output.ts';
import type { Transmission } from './transmission.ts';

/** See the module comment. */
export class WaitingNames {
  /** By lane and peer, and there by name; the one that waits longest first. */
  readonly #places = new Map<string, Map<string, Transmission>>();

  /** Lanes of peers in which something waits under a name. */
  get size(): number {
    return this.#places.size;
  }

  find(peer: PeerKey, lane: Lane, name: string | undefined): Transmission | undefined {
    return name === undefined ? undefined : this.#places.get(placeOf(peer, lane))?.get(name);
  }

  /** `transmission` waits; does nothing when it has no name. */
  add(transmission: Transmission): void {
    const { peer, lane, replaces } = transmission;
    if (replaces === undefined) return;
    const place = placeOf(peer, lane);
    const names = this.#places.get(place);
    if (names) names.set(replaces, transmission);
    else this.#places.set(place, new Map([[replaces, transmission]]));
  }

  /** `transmission` waits no longer. */
  delete({ peer, lane, replaces }: Transmission): void {
    if (replaces === undefined) return;
    const place = placeOf(peer, lane);
    const names = this.#places.get(place);
    names?.delete(replaces);
    if (names?.size === 0) this.#places.delete(place);
  }

  /** The one that waits longest, where more than `limit` do. */
  oldestBeyond(limit: number, { peer, lane }: Transmission): Transmission | undefined {
    const names = this.#places.get(placeOf(peer, lane));
    return names === undefined || names.size <= limit ? undefined : names.values().next().value;
  }
}

function placeOf(peer: PeerKey, lane: Lane): string {
  return `${lane} ${peer}`;
}
