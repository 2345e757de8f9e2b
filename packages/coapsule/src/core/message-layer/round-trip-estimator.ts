/**
 * Smoothed round trip and retransmission timeout from samples (RFC 6298 §2).
 *
 * Without the lower bound of one second (§2.4), which CoCoA leaves out, and without back-off, which belongs to a
 * message here (`retransmission.ts`).
 *
 * @module
 */

import type { DurationMs } from '../foundation/instant.ts';

/** RFC 6298 §2.3. */
const alpha = 1 / 8;
const beta = 1 / 4;

/**
 * G of RFC 6298: what the variation counts for at least. It covers that a timer fires late and a busy host answers
 * late, which samples of an idle line do not show.
 */
const granularityMs = 100;

/** One estimator. */
export class RoundTripEstimator {
  readonly #varianceFactor: number;
  #smoothedMs: DurationMs | undefined;
  #variationMs: DurationMs = 0;

  /** @param varianceFactor K: 4 in RFC 6298; 1 for samples that may be those of an earlier transmission (CoCoA). */
  constructor(varianceFactor: number) {
    this.#varianceFactor = varianceFactor;
  }

  /** SRTT; `undefined` before the first sample. */
  get smoothedMs(): DurationMs | undefined {
    return this.#smoothedMs;
  }

  /** Takes a sample, 0 or more, and returns the timeout that follows. */
  take(sampleMs: DurationMs): DurationMs {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = sampleMs;
      this.#variationMs = sampleMs / 2;
    } else {
      this.#variationMs = (1 - beta) * this.#variationMs + beta * Math.abs(this.#smoothedMs - sampleMs);
      this.#smoothedMs = (1 - alpha) * this.#smoothedMs + alpha * sampleMs;
    }
    return this.#smoothedMs + Math.max(granularityMs, this.#varianceFactor * this.#variationMs);
  }
}
