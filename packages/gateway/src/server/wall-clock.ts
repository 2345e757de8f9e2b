/** The wall clock of the gateway: the one place that reads it, so that everything else takes a time as a value. */

/** Tells the time as milliseconds since 1970. */
export type WallClock = () => number;

/** The clock of the system; it may be set back or forth at any moment. */
export const systemWallClock: WallClock = () => Date.now();
