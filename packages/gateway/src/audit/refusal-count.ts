/**
 * Which refusals are written one by one, and which are only counted: a flood must not fill the disk, nor push out of the
 * bounded files what matters.
 *
 * The first refusal of a peer for a reason is written at once. Those after it are counted, and told in one line when a minute is
 * over. Who has proved an identity and who has not have budgets of their own: strangers can take any number of names and
 * addresses, and with all of them they get few lines, and the fewer the longer they go on. Those beyond a budget are counted
 * together. Pure: time comes as a value.
 */

/** What was refused, and to whom. */
export interface RefusedRequest {
  /** `forbidden`, or the cause of a failed handshake. */
  readonly reason: string;
  /** An identity that was proved, or the network; never a port, which a flood would change. */
  readonly peer: string;
  /** Whether `peer` has proved to be who it says. */
  readonly isProven: boolean;
  /** More for the line, of the latest one. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A line to write. */
export interface RefusalLine extends RefusedRequest {
  /** How many more there were since the line before; undefined in the first line of a peer. */
  readonly repeated?: number;
}

interface Repeated {
  latest: RefusedRequest;
  count: number;
}

/** How long repeated refusals are counted, in milliseconds. */
export const countingMs = 60_000;

/** Peers, with reasons, that are told apart in a minute; and how many more may be in each minute after one that had so many. */
const budgets = {
  proven: { most: 200, perMinute: 200 },
  strangers: { most: 60, perMinute: 10 },
} as const;

/** See the module comment. */
export class RefusalCount {
  readonly #counts = {
    proven: new BudgetedCount(true, budgets.proven),
    strangers: new BudgetedCount(false, budgets.strangers),
  };

  /**
   * @param line One refusal, or with `repeated` so many that somebody else has counted.
   * @returns the line to write now, if any.
   */
  add(line: RefusalLine): RefusalLine | undefined {
    return this.#counts[line.isProven ? 'proven' : 'strangers'].add(line);
  }

  /** What was counted since the last time, a minute ago; after that every peer is new again. */
  takeCounted(): readonly RefusalLine[] {
    return Object.values(this.#counts).flatMap((count) => count.takeCounted());
  }
}

/** The reason of lines that tell how many were counted together. */
const several = 'several';

class BudgetedCount {
  readonly #isProven: boolean;
  readonly #budget: { readonly most: number; readonly perMinute: number };
  readonly #repeated = new Map<string, Repeated>();
  #left: number;
  #others = 0;

  constructor(isProven: boolean, budget: { readonly most: number; readonly perMinute: number }) {
    this.#isProven = isProven;
    this.#budget = budget;
    this.#left = budget.most;
  }

  add({ repeated, ...refused }: RefusalLine): RefusalLine | undefined {
    if (refused.reason === several) {
      this.#others += repeated ?? 1;
      return undefined;
    }
    const known = this.#repeated.get(`${refused.reason}\n${refused.peer}`);
    if (known !== undefined) {
      known.count += repeated ?? 1;
      known.latest = refused;
      return undefined;
    }
    if (this.#left === 0) {
      this.#others += repeated ?? 1;
      return undefined;
    }
    this.#left -= 1;
    this.#repeated.set(`${refused.reason}\n${refused.peer}`, { latest: refused, count: 0 });
    return repeated === undefined ? refused : { ...refused, repeated };
  }

  takeCounted(): readonly RefusalLine[] {
    const lines: RefusalLine[] = [...this.#repeated.values()]
      .filter(({ count }) => count > 0)
      .map(({ latest, count }) => ({ ...latest, repeated: count }));
    if (this.#others > 0) {
      const whose = { reason: several, peer: 'others', isProven: this.#isProven };
      lines.push({ ...whose, details: {}, repeated: this.#others });
    }
    this.#repeated.clear();
    this.#others = 0;
    this.#left = Math.min(this.#budget.most, this.#left + this.#budget.perMinute);
    return lines;
  }
}
