/**
 * One measured figure beside its goal, for `scripts/bench.js`.
 *
 * @module
 */

/** What is measured, and what it should be at most or at least. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: number;
  readonly better: 'lower' | 'higher';
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
