/**
 * Handshakes under way, found by address or id, with their timers.
 *
 * An address may have several that we are the server of: a ClientHello with another random is a client that began
 * again, or a replayed one, and only a Finished can tell. So the earlier handshake is set aside, without a voice of
 * its own, until one of them is verified. How many there may be in all is decided by `handshake-admission.ts`.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { AssociationId } from './dtls-output.ts';
import type { Handshake } from './handshake/handshake.ts';
import { networkOf } from './network-of.ts';

const none: readonly Handshake[] = [];

/** The handshakes of a layer, oldest first. */
export class PendingHandshakes {
  /** The one that speaks is the last of its address. */
  readonly #byAddress = new Map<string, readonly Handshake[]>();
  readonly #byId = new Map<AssociationId, Handshake>();
  /** Those we are the server of, oldest first; the networks by how long they have had any. */
  readonly #serversByNetwork = new Map<string, Set<Handshake>>();
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

  /** The handshake at an address that is not set aside. */
  at(address: PeerAddress): Handshake | undefined {
    const all = this.#byAddress.get(address.key);
    return all?.[all.length - 1];
  }

  /** All handshakes at an address; the list does not change when they do. */
  allAt(address: PeerAddress): readonly Handshake[] {
    return this.#byAddress.get(address.key) ?? none;
  }

  all(): readonly Handshake[] {
    return [...this.#byId.values()];
  }

  byId(association: AssociationId): Handshake | undefined {
    return this.#byId.get(association);
  }

  /** How many handshakes with a network (`network-of.ts`) we are the server of. */
  serverCountOf(network: string): number {
    return this.#serversByNetwork.get(network)?.size ?? 0;
  }

  /** The oldest one with a network that we are the server of. */
  oldestServerOf(network: string): Handshake | undefined {
    return this.#serversByNetwork.get(network)?.values().next().value;
  }

  /**
   * The network with the most handshakes that we are the server of. Of several, the oldest one of the younger half: a
   * crowd of newcomers does not push out those who were here before it, and yet each newcomer has some time.
   */
  busiestNetwork(): string | undefined {
    let most = 0;
    let busiest: string[] = [];
    for (const [network, { size }] of this.#serversByNetwork) {
      if (size < most) continue;
      if (size > most) busiest = [];
      most = size;
      busiest.push(network);
    }
    return busiest[busiest.length >> 1];
  }

  /** Takes a new handshake; earlier ones at its address are set aside. */
  add(handshake: Handshake): void {
    this.#byId.set(handshake.association, handshake);
    this.bringForward(handshake);
    if (handshake.role !== 'server') return;
    this.#serverCount++;
    const network = networkOf(handshake.address.host);
    const ofNetwork = this.#serversByNetwork.get(network);
    if (ofNetwork === undefined) this.#serversByNetwork.set(network, new Set([handshake]));
    else ofNetwork.add(handshake);
  }

  /** Gives a handshake the voice at its address; the others are set aside. */
  bringForward(handshake: Handshake): void {
    const others = this.allAt(handshake.address).filter((other) => other !== handshake);
    for (const other of others) other.isSetAside = true;
    handshake.isSetAside = false;
    this.#byAddress.set(handshake.address.key, [...others, handshake]);
  }

  /** Forgets a handshake; false when it was not there (any more). */
  remove(handshake: Handshake): boolean {
    if (!this.#byId.delete(handshake.association)) return false;
    this.#timers.cancel(handshake);
    const { key, host } = handshake.address;
    const others = this.allAt(handshake.address).filter((other) => other !== handshake);
    const last = others.at(-1);
    if (last === undefined) {
      this.#byAddress.delete(key);
    } else {
      last.isSetAside = false;
      this.#byAddress.set(key, others);
    }
    if (handshake.role === 'server') {
      this.#serverCount--;
      const network = networkOf(host);
      const ofNetwork = this.#serversByNetwork.get(network);
      ofNetwork?.delete(handshake);
      if (ofNetwork?.size === 0) this.#serversByNetwork.delete(network);
    }
    return true;
  }

  /** Sets the timer of a handshake to its present deadline. */
  schedule(handshake: Handshake): void {
    const { deadline } = handshake;
    if (deadline !== undefined) this.#timers.set(handshake, deadline);
  }

  /** Sets all timers, after what the deadlines depend on has changed. */
  scheduleAll(): void {
    for (const handshake of this.#byId.values()) this.schedule(handshake);
  }

  /** Takes out the timer that is due first, and returns its handshake. */
  expire(now: Instant): Handshake | undefined {
    return this.#timers.expire(now);
  }

  nextTimeout(): Instant | undefined {
    return this.#timers.next();
  }
}
