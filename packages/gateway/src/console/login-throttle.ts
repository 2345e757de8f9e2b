/**
 * Who has tried too many passwords: by the address that they come from, and by the name that they try.
 *
 * Some failures are free. Then each doubles the time to wait: up to a quarter of an hour for an address, and up to half a minute for a
 * name, so that a stranger cannot lock its owner out for long. A try counts from its beginning, so that many at once are no more than
 * many one after the other. One that was right takes back what the same address had failed with for the same name, and nothing else:
 * who has a password of their own, or guesses at somebody who logs in often, has no more tries by that.
 *
 * All tables are bounded, the oldest entry goes. To push one out costs thousands of tries, far more than waiting does.
 */
import { BoundedMap } from '../memory/bounded-map.ts';

interface Failures {
  count: number;
  /** The latest. */
  lastMs: number;
}

const free = 5;
const firstWaitMs = 1000;
const longestMs = { address: 15 * 60_000, name: 30_000, pair: 0 } as const;

type Kind = keyof typeof longestMs;

/** After so long without a failure it is forgotten. */
const forgottenMs = 60 * 60_000;

const mostEntries = 10_000;

/** A try that has begun, and has failed unless one of these is called. */
export interface LoginTry {
  /** It was right. */
  succeeded(): void;
  /** Nobody looked whether it was right. */
  withdraw(): void;
}

/** See the module comment. Times are of a clock that nobody sets. */
export class LoginThrottle {
  readonly #failures: Readonly<Record<Kind, BoundedMap<string, Failures>>>;

  /** @param most Entries of each table. */
  constructor(most: number = mostEntries) {
    this.#failures = {
      address: new BoundedMap(most),
      name: new BoundedMap(most),
      pair: new BoundedMap(most),
    };
  }

  /** Entries of all tables. */
  get size(): number {
    return Object.values(this.#failures).reduce((sum, { size }) => sum + size, 0);
  }

  /** @param name Undefined for who comes with a link. @returns the try, or for how many ms there is none. */
  begin(address: string, name: string | undefined, nowMs: number): LoginTry | { readonly waitMs: number } {
    const keys = [
      ['address', address],
      ['pair', JSON.stringify([address, name ?? null])],
      ...(name === undefined ? [] : [['name', name] as const]),
    ] as const;
    const waitMs = Math.max(0, ...keys.map(([kind, key]) => this.#waitMs(kind, key, nowMs)));
    if (waitMs > 0) return { waitMs };
    const befores = keys.map(([kind, key]) => this.#add(kind, key, nowMs));
    const takeBack = (countOf: (ofPair: number) => number): void => {
      const ofPair = this.#failures.pair.get(keys[1][1])?.count ?? 1;
      for (const [index, [kind, key]] of keys.entries()) {
        const failures = this.#failures[kind].get(key);
        if (failures === undefined) continue;
        failures.count -= countOf(ofPair);
        // It makes nobody wait anew either.
        if (failures.lastMs === nowMs) failures.lastMs = befores[index] ?? nowMs;
        if (failures.count <= 0) this.#failures[kind].delete(key);
      }
    };
    return { succeeded: () => takeBack((ofPair) => ofPair), withdraw: () => takeBack(() => 1) };
  }

  #waitMs(kind: Kind, key: string, nowMs: number): number {
    const failures = this.#failures[kind].get(key);
    if (failures === undefined || failures.count < free) return 0;
    return failures.lastMs + Math.min(longestMs[kind], firstWaitMs * 2 ** (failures.count - free)) - nowMs;
  }

  /** @returns when the one before was, if any. */
  #add(kind: Kind, key: string, nowMs: number): number | undefined {
    const table = this.#failures[kind];
    const known = table.get(key);
    const before = known !== undefined && nowMs - known.lastMs <= forgottenMs ? known : undefined;
    table.set(key, { count: (before?.count ?? 0) + 1, lastMs: nowMs });
    return before?.lastMs;
  }
}
