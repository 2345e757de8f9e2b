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

const none: readonly Handshake[] = [];

/** The handshakes of a layer, oldest first. */
export class PendingHandshakes {
  /** The one that speaks is the last of its address. */
  readonly #byAddress = new Map<string, readonly Handshake[]>();
  readonly #byId = new Map<AssociationId, Handshake>();
  /** Those we are the server of, oldest first. */
  readonly #serversByHost = new Map<string, Set<Handshake>>();
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
    return this.#byAddress.get(address.key)?.at(-1);
  }

  /** All handshakes at an address; the list does not change when they do. */
  allAt(address: PeerAddress): readonly Handshake[] {
    return this.#byAddress.get(address.key) ?? none;
  }

  byId(association: AssociationId): Handshake | undefined {
    return this.#byId.get(association);
  }

  /** How many handshakes with a host we are the server of. */
  serverCountOf(host: string): number {
    return this.#serversByHost.get(host)?.size ?? 0;
  }

  /** The oldest one with a host that we are the server of. */
  oldestServerOf(host: string): Handshake | undefined {
    return this.#serversByHost.get(host)?.values().next().value;
  }

  /** The host with the most handshakes that we are the server of. */
  busiestHost(): string | undefined {
    let busiest: string | undefined;
    for (const host of this.#serversByHost.keys()) {
      if (busiest === undefined || this.serverCountOf(host) > this.serverCountOf(busiest)) busiest = host;
    }
    return busiest;
  }

  /** Takes a new handshake; earlier ones at its address are set aside. */
  add(handshake: Handshake): void {
    this.#byId.set(handshake.association, handshake);
    this.bringForward(handshake);
    if (handshake.role !== 'server') return;
    this.#serverCount++;
    const { host } = handshake.address;
    const ofHost = this.#serversByHost.get(host);
    if (ofHost === undefined) this.#serversByHost.set(host, new Set([handshake]));
    else ofHost.add(handshake);
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
      const ofHost = this.#serversByHost.get(host);
      ofHost?.delete(handshake);
      if (ofHost?.size === 0) this.#serversByHost.delete(host);
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
