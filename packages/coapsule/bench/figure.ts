/**
 * One measured figure beside its goal, for `scripts/bench.js`.
 *
 * @module
 */

/** What a figure should be, at most or at least. */
export interface Bound {
  readonly goal: number;
  readonly better: 'higher' | 'lower';
}

/** What is measured and, where there is one, what it should be. */
export interface Figure extends Partial<Bound> {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** Reports a figure, with two digits after the point. */
export function report(figure: Figure): void {
  console.log(`figure ${JSON.stringify({ ...figure, value: Math.round(figure.value * 100) / 100 })}`);
}

/** The value below which this share (0 … 1) of the samples lies. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** The middle one of the samples. */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}
