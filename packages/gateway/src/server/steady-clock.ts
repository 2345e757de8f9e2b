/** The clock that nobody sets: for what lasts so long within one run of the gateway. */

/** Milliseconds since some moment, never less than before. */
export type SteadyClock = () => number;

/** The clock of the system (CLOCK_MONOTONIC on Linux: time in which the machine sleeps is not counted). */
export const systemSteadyClock: SteadyClock = () => performance.now();
