/**
 * The clocks of the machine. Protocol machines get their time from here and nowhere else.
 *
 * @module
 */

import { performance } from 'node:perf_hooks';
import { type Instant, instant } from '../core/foundation/instant.ts';

/** Where a driver reads the time; tests put a virtual clock here. */
export interface Clock {
  now(): Instant;
}

/** Time that never jumps: not when the wall clock is set, not backwards. */
export const monotonicClock: Clock = { now: () => instant(performance.now()) };

/** Milliseconds since 1970, for what people or other programs read: captures, readings, certificates. */
export function wallTimeMs(): number {
  return Date.now();
}

/** Node's timers hold at most this many milliseconds. */
export const longestTimerMs: number = 2 ** 31 - 1;
