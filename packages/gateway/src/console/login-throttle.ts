/**
 * Who has tried too many passwords: by the address that they come from, and by the name that they try.
 *
 * Some failures are free. Then each doubles the time to wait: up to a quarter of an hour for an address, and up to half a minute for a
 * name, so that a stranger cannot lock its owner out for long. Both tables are bounded: the oldest entry goes.
 */
import { BoundedMap } from '../memory/bounded-map.ts';

interface Failures {
  readonly count: number;
  readonly waitUntilMs: number;
}

const free = 5;
const firstWaitMs = 1000;
const longestMs = { address: 15 * 60_000, name: 30_000 } as const;

/** After so long without a failure it is forgotten. */
const forgottenMs = 60 * 60_000;

const mostEntries = 10_000;

/** See the module comment. */
export class LoginThrottle {
  readonly #failures = {
    address: new BoundedMap<string, Failures>(mostEntries),
    name: new BoundedMap<string, Failures>(mostEntries),
  };

  /** For how many ms nothing is looked at; 0: now. @param name Undefined for who comes with a link. */
  waitMs(address: string, name: string | undefined, nowMs: number): number {
    const waits = this.#entries(address, name).map(
      ([kind, key]) => (this.#failures[kind].get(key)?.waitUntilMs ?? 0) - nowMs,
    );
    return Math.max(0, ...waits);
  }

  /** It was not right. */
  failed(address: string, name: string | undefined, nowMs: number): void {
    for (const [kind, key] of this.#entries(address, name)) {
      const before = this.#failures[kind].get(key);
      const isOld = before === undefined || nowMs - before.waitUntilMs > forgottenMs;
      const count = isOld ? 1 : before.count + 1;
      const waitMs = count < free ? 0 : Math.min(longestMs[kind], firstWaitMs * 2 ** (count - free));
      this.#failures[kind].set(key, { count, waitUntilMs: nowMs + waitMs });
    }
  }

  /** It was right: what was before does not count. */
  succeeded(address: string, name: string | undefined): void {
    for (const [kind, key] of this.#entries(address, name)) this.#failures[kind].delete(key);
  }

  #entries(address: string, name: string | undefined): readonly (readonly ['address' | 'name', string])[] {
    return [['address', address] as const, ...(name === undefined ? [] : [['name', name] as const])];
  }
}
