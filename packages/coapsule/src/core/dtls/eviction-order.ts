/**
 * Which association goes when one too many comes: of the host that has the most, the one that was quiet for the
 * longest time. So no host can push out the associations of others.
 *
 * Lists by numbers in typed arrays, so that a record costs a few assignments and a choice looks at nothing: the slots
 * of each host and the hosts with as many slots each, those that were quiet for the longest time in front. A host that
 * lost a slot counts as active then. Knows slots of `association-table.ts`, not what is in them.
 *
 * @module
 */

import { hashOfText, SlotIndex } from '../foundation/slot-index.ts';

const none = -1;

/** See the module comment. */
export class EvictionOrder {
  // By slot.
  #before = new Int32Array(16);
  #behind = new Int32Array(16);
  #hostOf = new Int32Array(16).fill(none);
  // By host, which has a number as long as it has slots: its name, how many slots and which, and its place among those
  // with as many.
  readonly #names: string[] = [];
  #count = new Int32Array(16);
  #firstSlot = new Int32Array(16);
  #lastSlot = new Int32Array(16);
  #hostBefore = new Int32Array(16);
  #hostBehind = new Int32Array(16);
  readonly #byName = new SlotIndex();
  readonly #freeHosts: number[] = [];
  // By how many slots they have: the first host and the last one.
  readonly #firstHost: number[] = [];
  readonly #lastHost: number[] = [];
  #most = 0;

  /** A slot with a host, active just now. */
  add(slot: number, name: string): void {
    if (slot >= this.#before.length) this.#growSlots(slot);
    let host = this.#hostNamed(name);
    if (host === none) host = this.#newHost(name);
    else this.#unlinkHost(host);
    this.#hostOf[slot] = host;
    this.#append(host, slot);
    const count = at(this.#count, host) + 1;
    this.#count[host] = count;
    this.#appendHost(host);
    this.#most = Math.max(this.#most, count);
  }

  remove(slot: number): void {
    const host = this.#hostOf[slot] ?? none;
    if (host === none) return;
    this.#hostOf[slot] = none;
    this.#unlink(host, slot);
    this.#unlinkHost(host);
    const count = at(this.#count, host) - 1;
    this.#count[host] = count;
    if (count === 0) this.#forgetHost(host);
    else this.#appendHost(host);
    while (this.#most > 0 && (this.#firstHost[this.#most] ?? none) === none) this.#most--;
  }

  /** Something came for a slot. */
  touch(slot: number): void {
    const host = this.#hostOf[slot] ?? none;
    if (host === none) return;
    if (this.#lastSlot[host] !== slot) {
      this.#unlink(host, slot);
      this.#append(host, slot);
    }
    if (this.#hostBehind[host] === none) return;
    this.#unlinkHost(host);
    this.#appendHost(host);
  }

  /** The slot to give up. */
  first(): number | undefined {
    const host = this.#firstHost[this.#most] ?? none;
    return host === none ? undefined : this.#firstSlot[host];
  }

  #hostNamed(name: string): number {
    const index = this.#byName;
    for (let cell = index.begin(hashOfText(name)); index.slotAt(cell) >= 0; cell = index.next(cell)) {
      if (this.#names[index.slotAt(cell)] === name) return index.slotAt(cell);
    }
    return none;
  }

  #newHost(name: string): number {
    const host = this.#freeHosts.pop() ?? this.#names.length;
    if (host >= this.#count.length) this.#growHosts();
    this.#names[host] = name;
    this.#count[host] = 0;
    this.#firstSlot[host] = none;
    this.#lastSlot[host] = none;
    this.#byName.insert(hashOfText(name), host);
    return host;
  }

  #forgetHost(host: number): void {
    this.#byName.delete(hashOfText(this.#names[host] as string), host);
    this.#names[host] = '';
    this.#freeHosts.push(host);
  }

  #append(host: number, slot: number): void {
    const last = at(this.#lastSlot, host);
    this.#before[slot] = last;
    this.#behind[slot] = none;
    if (last === none) this.#firstSlot[host] = slot;
    else this.#behind[last] = slot;
    this.#lastSlot[host] = slot;
  }

  #unlink(host: number, slot: number): void {
    const before = at(this.#before, slot);
    const behind = at(this.#behind, slot);
    if (before === none) this.#firstSlot[host] = behind;
    else this.#behind[before] = behind;
    if (behind === none) this.#lastSlot[host] = before;
    else this.#before[behind] = before;
  }

  #appendHost(host: number): void {
    const count = at(this.#count, host);
    while (this.#firstHost.length <= count) {
      this.#firstHost.push(none);
      this.#lastHost.push(none);
    }
    const last = this.#lastHost[count] as number;
    this.#hostBefore[host] = last;
    this.#hostBehind[host] = none;
    if (last === none) this.#firstHost[count] = host;
    else this.#hostBehind[last] = host;
    this.#lastHost[count] = host;
  }

  #unlinkHost(host: number): void {
    const count = at(this.#count, host);
    const before = at(this.#hostBefore, host);
    const behind = at(this.#hostBehind, host);
    if (before === none) this.#firstHost[count] = behind;
    else this.#hostBehind[before] = behind;
    if (behind === none) this.#lastHost[count] = before;
    else this.#hostBefore[behind] = before;
  }

  #growSlots(slot: number): void {
    const before = this.#hostOf.length;
    this.#before = grown(this.#before, 2 * slot);
    this.#behind = grown(this.#behind, 2 * slot);
    this.#hostOf = grown(this.#hostOf, 2 * slot).fill(none, before);
  }

  #growHosts(): void {
    const length = 2 * this.#count.length;
    this.#count = grown(this.#count, length);
    this.#firstSlot = grown(this.#firstSlot, length);
    this.#lastSlot = grown(this.#lastSlot, length);
    this.#hostBefore = grown(this.#hostBefore, length);
    this.#hostBehind = grown(this.#hostBehind, length);
  }
}

function at(column: Int32Array, index: number): number {
  return column[index] as number;
}

function grown(from: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const to = new Int32Array(length);
  to.set(from);
  return to;
}
