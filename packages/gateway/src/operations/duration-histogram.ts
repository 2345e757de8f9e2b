/**
 * How long things took: how many in each of a few ranges, and the sum. To count one is a search among 14 numbers.
 */

/** As plain values, which go to another thread. */
export interface DurationCounts {
  /** One for each of `durationBoundsSeconds`, and one for what took longer. */
  readonly counts: readonly number[];
  readonly sumSeconds: number;
}

/** Upper bounds of the ranges. */
export const durationBoundsSeconds: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

const boundsMs = durationBoundsSeconds.map((seconds) => seconds * 1000);

/** See the module comment. */
export class DurationHistogram {
  readonly #counts = new Float64Array(boundsMs.length + 1);
  #sumMs = 0;

  add(durationMs: number): void {
    let range = 0;
    while (range < boundsMs.length && durationMs > (boundsMs[range] as number)) range++;
    this.#counts[range] = (this.#counts[range] as number) + 1;
    this.#sumMs += durationMs;
  }

  counts(): DurationCounts {
    return { counts: [...this.#counts], sumSeconds: this.#sumMs / 1000 };
  }
}

/** Of several threads together. */
export function durationSum(all: readonly DurationCounts[]): DurationCounts {
  const counts = new Array<number>(boundsMs.length + 1).fill(0);
  let sumSeconds = 0;
  for (const one of all) {
    sumSeconds += one.sumSeconds;
    for (const [range, count] of one.counts.entries()) counts[range] = (counts[range] ?? 0) + count;
  }
  return { counts, sumSeconds };
}
