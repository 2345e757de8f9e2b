/**
 * Values by a name, in the order in which they were used last: for tables of peers that are bounded, since anybody can
 * invent peers.
 *
 * What one datagram makes the layers look up is nearly always the same name: asking for it again costs a comparison. To
 * become the latest costs a few pointers, where a `Map` whose order were that of use would have to delete and insert.
 *
 * @module
 */

interface Entry<Value> {
  readonly key: string;
  value: Value;
  older: Entry<Value> | undefined;
  newer: Entry<Value> | undefined;
}

/** See the module comment. It is the caller who bounds it. */
export class RecencyMap<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  #oldest: Entry<Value> | undefined;
  #newest: Entry<Value> | undefined;
  /** What was found last. */
  #found: Entry<Value> | undefined;

  /** Number of values. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value of `key`, whose place in the order stays. */
  get(key: string): Value | undefined {
    return this.#find(key)?.value;
  }

  /** The value of `key`, which is the latest now. */
  use(key: string): Value | undefined {
    const entry = this.#find(key);
    if (entry === undefined) return undefined;
    if (entry !== this.#newest) {
      this.#unlink(entry);
      this.#link(entry);
    }
    return entry.value;
  }

  /** Adds a value, or changes it; it is the latest now. */
  set(key: string, value: Value): void {
    const known = this.#find(key);
    if (known !== undefined) {
      known.value = value;
      this.use(key);
      return;
    }
    const entry: Entry<Value> = { key, value, older: undefined, newer: undefined };
    this.#entries.set(key, entry);
    this.#link(entry);
    this.#found = entry;
  }

  /** Forgets `key`; false when it was not there. */
  delete(key: string): boolean {
    const entry = this.#find(key);
    if (entry === undefined) return false;
    this.#entries.delete(key);
    this.#unlink(entry);
    this.#found = undefined;
    return true;
  }

  /** Forgets what was used longest ago, where there are more than so many. */
  keepLatest(most: number): void {
    while (this.#oldest !== undefined && this.#entries.size > most) this.delete(this.#oldest.key);
  }

  /** The name that was used longest ago. */
  oldest(): string | undefined {
    return this.#oldest?.key;
  }

  #find(key: string): Entry<Value> | undefined {
    if (this.#found !== undefined && this.#found.key === key) return this.#found;
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#found = entry;
    return entry;
  }

  #link(entry: Entry<Value>): void {
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest) this.#newest.newer = entry;
    else this.#oldest = entry;
    this.#newest = entry;
  }

  #unlink({ older, newer }: Entry<Value>): void {
    if (older) older.newer = newer;
    else this.#oldest = newer;
    if (newer) newer.older = older;
    else this.#newest = older;
  }
}
