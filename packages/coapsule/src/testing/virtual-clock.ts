/**
 * A clock that stands still until it is told to move: the time of every test that has time.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import { type DurationMs, type Instant, instant } from '../core/foundation/instant.ts';

/** Virtual time. Starts at `startMs`, by default not zero, so that a forgotten zero shows. */
export class VirtualClock {
  #now: Instant;

  constructor(startMs = 1_000_000) {
    this.#now = instant(startMs);
  }

  /** The present. */
  get now(): Instant {
    return this.#now;
  }

  /**
   * Moves to `time`; staying where it is is allowed.
   *
   * @throws ApiMisuseError when that would go back.
   */
  advanceTo(time: Instant): void {
    if (!(time >= this.#now)) throw new ApiMisuseError(`time: got ${time}, expected ${this.#now} or later`);
    this.#now = time;
  }

  /** Moves on by `durationMs`, 0 or more. */
  advanceBy(durationMs: DurationMs): void {
    this.advanceTo(instant(this.#now + durationMs));
  }
}
