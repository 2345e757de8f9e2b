/**
 * Time as the protocol machines see it: a value that is passed in, never read from a clock.
 *
 * @module
 */

declare const instantBrand: unique symbol;

/** A point on a monotonic clock, in milliseconds; its zero has no meaning. May have a fraction. */
export type Instant = number & { readonly [instantBrand]: 'Instant' };

/** A span of time in milliseconds. Fields that hold one end in `Ms`. */
export type DurationMs = number;

/** The instant `ms` milliseconds after the clock's own zero. Only clocks and tests call this. */
export function instant(ms: number): Instant {
  return ms as Instant;
}

/** The instant `durationMs` after `start`. */
export function after(start: Instant, durationMs: DurationMs): Instant {
  return (start + durationMs) as Instant;
}

/** Milliseconds from `earlier` to `later`; negative when they are the other way round. */
export function elapsedMs(earlier: Instant, later: Instant): DurationMs {
  return later - earlier;
}

/** The earlier of two instants, where `undefined` means "never". */
export function earliest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return a < b ? a : b;
}
