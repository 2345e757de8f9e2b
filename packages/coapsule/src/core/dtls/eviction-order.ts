/**
 * Which association goes when one too many comes: of the host that has the most, the one that was quiet for the
 * longest time. So no host can push out the associations of others.
 *
 * Lists by pointers, so that a record costs a few assignments and a choice looks at nothing: the slots of each host
 * and the hosts with as many slots each, those that were quiet for the longest time in front. A host that lost a slot
 * counts as active then. Knows slots of `association-table.ts`, not what is in them.
 *
 * @module
 */

interface Host {
  readonly name: string;
  count: number;
  /** Slots, or -1. */
  first: number;
  last: number;
  before: Host | undefined;
  behind: Host | undefined;
}

interface Hosts {
  first: Host | undefined;
  last: Host | undefined;
}

const none = -1;

/** See the module comment. */
export class EvictionOrder {
  #before = new Int32Array(16);
  #behind = new Int32Array(16);
  readonly #hostOf: (Host | undefined)[] = [];
  readonly #hosts = new Map<string, Host>();
  /** Hosts by how many slots they have. */
  readonly #byCount: Hosts[] = [];
  #most = 0;

  /** A slot with a host, active just now. */
  add(slot: number, name: string): void {
    if (slot >= this.#before.length) this.#grow(slot);
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = { name, count: 0, first: none, last: none, before: undefined, behind: undefined };
      this.#hosts.set(name, host);
    } else {
      this.#unlinkHost(host);
    }
    this.#hostOf[slot] = host;
    this.#append(host, slot);
    host.count++;
    this.#appendHost(host);
    this.#most = Math.max(this.#most, host.count);
  }

  remove(slot: number): void {
    const host = this.#hostOf[slot];
    if (host === undefined) return;
    this.#hostOf[slot] = undefined;
    this.#unlink(host, slot);
    this.#unlinkHost(host);
    host.count--;
    if (host.count === 0) this.#hosts.delete(host.name);
    else this.#appendHost(host);
    while (this.#most > 0 && this.#byCount[this.#most]?.first === undefined) this.#most--;
  }

  /** Something came for a slot. */
  touch(slot: number): void {
    const host = this.#hostOf[slot];
    if (host === undefined) return;
    if (host.last !== slot) {
      this.#unlink(host, slot);
      this.#append(host, slot);
    }
    if (host.behind === undefined) return;
    this.#unlinkHost(host);
    this.#appendHost(host);
  }

  /** The slot to give up. */
  first(): number | undefined {
    return this.#byCount[this.#most]?.first?.first;
  }

  #append(host: Host, slot: number): void {
    this.#before[slot] = host.last;
    this.#behind[slot] = none;
    if (host.last === none) host.first = slot;
    else this.#behind[host.last] = slot;
    host.last = slot;
  }

  #unlink(host: Host, slot: number): void {
    const [before, behind] = [this.#before[slot] as number, this.#behind[slot] as number];
    if (before === none) host.first = behind;
    else this.#behind[before] = behind;
    if (behind === none) host.last = before;
    else this.#before[behind] = before;
  }

  #appendHost(host: Host): void {
    this.#byCount[host.count] ??= { first: undefined, last: undefined };
    const hosts = this.#byCount[host.count] as Hosts;
    host.before = hosts.last;
    host.behind = undefined;
    if (hosts.last === undefined) hosts.first = host;
    else hosts.last.behind = host;
    hosts.last = host;
  }

  #unlinkHost(host: Host): void {
    const hosts = this.#byCount[host.count] as Hosts;
    if (host.before === undefined) hosts.first = host.behind;
    else host.before.behind = host.behind;
    if (host.behind === undefined) hosts.last = host.before;
    else host.behind.before = host.before;
  }

  #grow(slot: number): void {
    const grown = (from: Int32Array): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(2 * slot);
      to.set(from);
      return to;
    };
    this.#before = grown(this.#before);
    this.#behind = grown(this.#behind);
  }
}
