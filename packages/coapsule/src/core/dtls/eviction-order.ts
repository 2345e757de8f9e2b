/**
 * Which association goes when one too many comes: of the host that has the most, the one that was quiet for the
 * longest time. So no host can push out the associations of others.
 *
 * In lists, so that a record costs a few assignments and a choice looks at nothing: the slots of each host and the hosts
 * with as many slots each, those that were quiet for the longest time in front. A host that lost a slot counts as active
 * then. Knows slots of `association-table.ts`, not what is in them.
 *
 * @module
 */

import { grown, placesFor } from '../foundation/grown.ts';
import type { KeyedDigest } from '../foundation/keyed-digest.ts';
import { SlotIndex } from '../foundation/slot-index.ts';
import { SlotLists } from '../foundation/slot-lists.ts';

const none = -1;

/** See the module comment. */
export class EvictionOrder {
  /** By slot: one more than the number of its host, or 0. */
  #hostOf = new Int32Array(16);
  // By host, which has a number as long as it has slots: its name, and how many slots.
  readonly #names: string[] = [];
  #count = new Int32Array(16);
  readonly #byName = new SlotIndex();
  readonly #freeHosts: number[] = [];
  /** The slots of each host. */
  readonly #slots = new SlotLists();
  /** The hosts, by how many slots they have. */
  readonly #hosts = new SlotLists();
  #most = 0;
  readonly #digest: KeyedDigest;

  /** @param digest Hashes the names, which are those of peers. */
  constructor(digest: KeyedDigest) {
    this.#digest = digest;
  }

  /** A slot with a host, active just now. */
  add(slot: number, name: string): void {
    if (slot >= this.#hostOf.length) this.#hostOf = grown(this.#hostOf, placesFor(slot));
    let host = this.#hostNamed(name);
    if (host === none) host = this.#newHost(name);
    else this.#hosts.remove(this.#countOf(host), host);
    this.#hostOf[slot] = host + 1;
    this.#slots.append(host, slot);
    const count = this.#countOf(host) + 1;
    this.#count[host] = count;
    this.#hosts.append(count, host);
    this.#most = Math.max(this.#most, count);
  }

  remove(slot: number): void {
    const host = this.#hostAt(slot);
    if (host === none) return;
    this.#hostOf[slot] = 0;
    this.#slots.remove(host, slot);
    const count = this.#countOf(host) - 1;
    this.#hosts.remove(count + 1, host);
    this.#count[host] = count;
    if (count === 0) this.#forgetHost(host);
    else this.#hosts.append(count, host);
    while (this.#most > 0 && this.#hosts.first(this.#most) === none) this.#most--;
  }

  /** Something came for a slot. */
  touch(slot: number): void {
    const host = this.#hostAt(slot);
    if (host === none) return;
    this.#slots.moveBehind(host, slot);
    this.#hosts.moveBehind(this.#countOf(host), host);
  }

  /** The slot to give up. */
  first(): number | undefined {
    const host = this.#hosts.first(this.#most);
    return host === none ? undefined : this.#slots.first(host);
  }

  #hostAt(slot: number): number {
    return (this.#hostOf[slot] ?? 0) - 1;
  }

  #countOf(host: number): number {
    return this.#count[host] as number;
  }

  #hostNamed(name: string): number {
    const index = this.#byName;
    const hash = this.#digest.hashOf(name);
    for (let cell = index.begin(hash); index.slotAt(cell) >= 0; cell = index.next(cell, hash)) {
      if (this.#names[index.slotAt(cell)] === name) return index.slotAt(cell);
    }
    return none;
  }

  #newHost(name: string): number {
    const host = this.#freeHosts.pop() ?? this.#names.length;
    if (host >= this.#count.length) this.#count = grown(this.#count, placesFor(host));
    this.#names[host] = name;
    this.#count[host] = 0;
    this.#byName.insert(this.#digest.hashOf(name), host);
    return host;
  }

  #forgetHost(host: number): void {
    this.#byName.delete(this.#digest.hashOf(this.#names[host] as string), host);
    this.#names[host] = '';
    this.#freeHosts.push(host);
  }
}
