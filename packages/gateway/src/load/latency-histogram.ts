/**
 * Latencies counted in buckets, so that any number of them takes the same memory and recording one allocates nothing.
 *
 * Each power of two of microseconds is cut into 64 buckets: a quantile is at most 1.6 % above the true one. What takes longer
 * than an hour counts as an hour.
 *
 * @module
 */

const perOctave = 64;
const octaves = 32;

/** See the module comment. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(perOctave * octaves);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  /** How many were recorded. */
  get count(): number {
    return this.#count;
  }

  /** 0 when there is none. */
  get meanMs(): number {
    return this.#count === 0 ? 0 : this.#sumMs / this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** Counts one latency. */
  record(latencyMs: number): void {
    const bucket = bucketOf(latencyMs * 1000);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count++;
    this.#sumMs += latencyMs;
    if (latencyMs > this.#maxMs) this.#maxMs = latencyMs;
  }

  /** Adds all that another one has recorded. */
  add(other: LatencyHistogram): void {
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      this.#counts[bucket] = (this.#counts[bucket] as number) + (other.#counts[bucket] as number);
    }
    this.#count += other.#count;
    this.#sumMs += other.#sumMs;
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs);
  }

  /**
   * The latency that this share of all does not exceed; 0 when there is none.
   *
   * @param share 0 … 1
   */
  quantileMs(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket] as number;
      if (seen >= wanted) return Math.min(this.#maxMs, endOf(bucket) / 1000);
    }
    return this.#maxMs;
  }

  /** How many latencies lie in each range that has any. */
  ranges(): readonly { readonly fromMs: number; readonly toMs: number; readonly count: number }[] {
    // Two ranges for each doubling: what fits on a screen.
    const step = perOctave / 2;
    const ranges = [];
    for (let first = 0; first < this.#counts.length; first += step) {
      let count = 0;
      for (let bucket = first; bucket < first + step; bucket++) count += this.#counts[bucket] as number;
      if (count > 0)
        ranges.push({
          fromMs: first === 0 ? 0 : endOf(first - 1) / 1000,
          toMs: endOf(first + step - 1) / 1000,
          count,
        });
    }
    return ranges;
  }
}

/** Below 64 µs a bucket is a microsecond wide; above, a 64th of the power of two that the latency lies in. */
function bucketOf(microseconds: number): number {
  const whole = Math.min(3.6e9, Math.max(0, Math.floor(microseconds)));
  const octave = Math.max(0, 25 - Math.clz32(whole));
  return perOctave * octave + (whole >>> octave);
}

/** The first microsecond behind a bucket. */
function endOf(bucket: number): number {
  const octave = Math.floor(bucket / perOctave) - 1;
  return octave < 0 ? bucket + 1 : ((bucket % perOctave) + perOctave + 1) * 2 ** octave;
}
