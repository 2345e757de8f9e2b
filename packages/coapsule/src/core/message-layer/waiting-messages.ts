/**
 * Messages of ours that wait for their turn: how many may, and which of them a later one replaces.
 *
 * Messages wait under a name where they have one (`QueueOptions.replaces`): a later one with the same name, to the same peer
 * and of the same type, takes the place of the earlier. In which order they go is the matter of `congestion.ts`.
 *
 * @module
 */

import type { CongestionControl, Lane } from './congestion.ts';
import type { MessageLayerCounters, MessageLayerLimits } from './message-layer-limits.ts';
import type { PeerKey, RefusedReason } from './message-layer-output.ts';
import type { Transmission } from './transmission.ts';

/** See the module comment. */
export class WaitingMessages {
  readonly #limits: MessageLayerLimits;
  readonly #counters: MessageLayerCounters;
  readonly #congestion: CongestionControl<Transmission>;
  /** Those with a name, by lane and peer, and there by name; the one that waits longest first. */
  readonly #places = new Map<string, Map<string, Transmission>>();

  constructor(
    limits: MessageLayerLimits,
    counters: MessageLayerCounters,
    congestion: CongestionControl<Transmission>,
  ) {
    this.#limits = limits;
    this.#counters = counters;
    this.#congestion = congestion;
  }

  /** Lanes of peers in which something waits under a name. */
  get size(): number {
    return this.#places.size;
  }

  /** The one that waits under a name. */
  find(peer: PeerKey, lane: Lane, name: string | undefined): Transmission | undefined {
    return name === undefined ? undefined : this.#places.get(placeOf(peer, lane))?.get(name);
  }

  /** `transmission` waits. */
  add(transmission: Transmission): void {
    this.#count(transmission, 1);
    const { peer, lane, replaces } = transmission;
    if (replaces === undefined) return;
    const place = placeOf(peer, lane);
    const names = this.#places.get(place);
    if (names) names.set(replaces, transmission);
    else this.#places.set(place, new Map([[replaces, transmission]]));
  }

  /** `transmission` waits no longer. */
  delete(transmission: Transmission): void {
    this.#count(transmission, -1);
    const { peer, lane, replaces } = transmission;
    if (replaces === undefined) return;
    const place = placeOf(peer, lane);
    const names = this.#places.get(place);
    names?.delete(replaces);
    if (names?.size === 0) this.#places.delete(place);
  }

  /** Why a message that was added, and could not go at once, may not wait. */
  refusal({ peer, lane }: Transmission): RefusedReason | undefined {
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

  /** Of many names, each with its latest, the one that waits longest, where there is no room for all. */
  oldestBeyondLimit({ peer, lane, replaces }: Transmission): Transmission | undefined {
    if (replaces === undefined) return undefined;
    const names = this.#places.get(placeOf(peer, lane));
    if (names === undefined || names.size <= this.#limits.queuedReadingsPerPeer) return undefined;
    return names.values().next().value;
  }

  #count({ lane }: Transmission, change: 1 | -1): void {
    this.#counters.queued += change;
    if (lane === 'reply' || lane === 'non-reply') this.#counters.queuedReplies += change;
  }
}

function placeOf(peer: PeerKey, lane: Lane): string {
  return `${lane} ${peer}`;
}
