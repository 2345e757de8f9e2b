/**
 * Has old measurements down-sampled, in small steps with pauses: whoever waits for a commit waits for one step at most.
 *
 * A clock that jumps ahead must not make all that is kept old at once: such a time counts when it has held for a day.
 */
import type { TickTimer } from '../resources/periodic-tick.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { DownsampleOutcome, DownsampleTask } from '../store/aggregate-table.ts';
import type { RetentionRule } from './retention-rules.ts';

/** What a sweep works with. */
export interface SweepParts {
  readonly store: { downsample(task: DownsampleTask): Promise<DownsampleOutcome> };
  /** Those that count now. */
  readonly rules: () => readonly RetentionRule[];
  readonly clock: WallClock;
  readonly timer: TickTimer;
  readonly onError: (error: unknown) => void;
  /** The clock went ahead by so much, and is not believed yet. */
  readonly onJump: (aheadMs: number) => void;
}

/** Between two looks at all series. */
const restMs = 60_000;

/** Between two steps; when there is much to do, twice the time that the step took, or this at least. */
const pauseMs = 50;
const shortPauseMs = 10;

/** Rows that one step moves, and series that it looks at: a few milliseconds. */
const bounds = { mostRows: 256, mostSeries: 256 } as const;

/** See the module comment. Works until it is stopped. */
export class RetentionSweep {
  readonly #parts: SweepParts;
  readonly #clock: SteadyClock;
  #after = 0;
  #cancel: () => void = () => {};
  #isStopped = false;

  constructor(parts: SweepParts) {
    this.#parts = parts;
    this.#clock = new SteadyClock(parts);
    this.#wait(restMs);
  }

  /** A step that is under way ends by itself. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #wait(ms: number): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.timer.after(ms, () => void this.#step());
  }

  async #step(): Promise<void> {
    const { store, rules, timer, onError } = this.#parts;
    try {
      const nowMs = this.#clock.now();
      const begin = timer.now();
      const { next, moved } = await store.downsample({
        nowMs,
        rules: rules(),
        after: this.#after,
        ...bounds,
      });
      this.#after = next ?? 0;
      const busyPauseMs = Math.max(shortPauseMs, 2 * (timer.now() - begin));
      this.#wait(next === undefined ? restMs : moved < bounds.mostRows ? pauseMs : busyPauseMs);
    } catch (error) {
      if (!this.#isStopped) onError(error);
      this.#wait(restMs);
    }
  }
}

/** More than clocks are set by when they are set right. */
const jumpMs = 3_600_000;

/** So long a time that is far ahead has to hold. */
const proofMs = 86_400_000;

/** The wall clock as far as it agrees with the monotonic one. */
class SteadyClock {
  readonly #parts: Pick<SweepParts, 'clock' | 'timer' | 'onJump'>;
  #wallMs: number;
  #atMs: number;
  #suspect: { readonly aheadMs: number; readonly sinceMs: number } | undefined;

  constructor(parts: Pick<SweepParts, 'clock' | 'timer' | 'onJump'>) {
    this.#parts = parts;
    this.#wallMs = parts.clock();
    this.#atMs = parts.timer.now();
  }

  now(): number {
    const { clock, timer, onJump } = this.#parts;
    const [wall, at] = [clock(), timer.now()];
    const expected = this.#wallMs + (at - this.#atMs);
    const aheadMs = wall - expected;
    if (aheadMs <= jumpMs) this.#suspect = undefined;
    else if (this.#suspect === undefined || Math.abs(aheadMs - this.#suspect.aheadMs) > jumpMs) {
      this.#suspect = { aheadMs, sinceMs: at };
      onJump(aheadMs);
    } else if (at - this.#suspect.sinceMs >= proofMs) this.#suspect = undefined;
    this.#wallMs = this.#suspect === undefined ? wall : expected;
    this.#atMs = at;
    return this.#wallMs;
  }
}
