/** Whether a curve of memory is flat. */

/** Memory at a time. */
export interface MemorySample {
  readonly at: number;
  readonly bytes: number;
}

/** How much a curve grows from the first to the last of its samples, by the line that fits them best (least squares); in bytes. */
export function growthOf(samples: readonly MemorySample[]): number {
  const count = samples.length;
  if (count < 2) return 0;
  const mean = (of: (sample: MemorySample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / count;
  const [middle, level] = [mean(({ at }) => at), mean(({ bytes }) => bytes)];
  const covariance = mean(({ at, bytes }) => (at - middle) * (bytes - level));
  const variance = mean(({ at }) => (at - middle) ** 2);
  const slope = variance === 0 ? 0 : covariance / variance;
  return slope * ((samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0));
}

/** What counts: caches fill and code is compiled in the first third. */
export function afterFirstThird(samples: readonly MemorySample[]): readonly MemorySample[] {
  return samples.slice(Math.ceil(samples.length / 3));
}
