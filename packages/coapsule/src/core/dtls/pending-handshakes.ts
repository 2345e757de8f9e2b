/**
 * Handshakes under way: at most one per address, found by address or id, with their timers.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { AssociationId } from './dtls-output.ts';
import type { Handshake } from './handshake/handshake.ts';

/** The handshakes of a layer, oldest first. */
export class PendingHandshakes {
  readonly #byAddress = new Map<string, Handshake>();
  readonly #byId = new Map<AssociationId, Handshake>();
  readonly #timers = new TimerQueue<Handshake>();
  #serverCount = 0;

  /** Number of handshakes. */
  get size(): number {
    return this.#byId.size;
  }

  /** How many of them we are the server of. */
  get serverCount(): number {
    return this.#serverCount;
  }

  /** Bytes kept of what peers sent, in all of them. */
  get keptBytes(): number {
    let bytes = 0;
    for (const handshake of this.#byId.values()) bytes += handshake.keptBytes;
    return bytes;
  }

  at(address: PeerAddress): Handshake | undefined {
    return this.#byAddress.get(address.key);
  }

  byId(association: AssociationId): Handshake | undefined {
    return this.#byId.get(association);
  }

  /** The oldest one that we are the server of. */
  oldestServer(): Handshake | undefined {
    for (const handshake of this.#byId.values()) if (handshake.role === 'server') return handshake;
    return undefined;
  }

  /** Takes a new handshake; its address must be free. */
  add(handshake: Handshake): void {
    this.#byAddress.set(handshake.address.key, handshake);
    this.#byId.set(handshake.association, handshake);
    if (handshake.role === 'server') this.#serverCount++;
  }

  /** Forgets a handshake; false when it was not there (any more). */
  remove(handshake: Handshake): boolean {
    if (!this.#byId.delete(handshake.association)) return false;
    this.#byAddress.delete(handshake.address.key);
    this.#timers.cancel(handshake);
    if (handshake.role === 'server') this.#serverCount--;
    return true;
  }

  /** Sets the timer of a handshake to its present deadline. */
  schedule(handshake: Handshake): void {
    const { deadline } = handshake;
    if (deadline !== undefined) this.#timers.set(handshake, deadline);
  }

  /** Takes out the timer that is due first, and returns its handshake. */
  expire(now: Instant): Handshake | undefined {
    return this.#timers.expire(now);
  }

  nextTimeout(): Instant | undefined {
    return this.#timers.next();
  }
}
