/**
 * Refuses records already seen in one epoch (RFC 6347 §4.1.2.6).
 *
 * The logic is in two functions over a state of three numbers, so that the states of many associations can
 * lie in typed arrays; the class is a thin wrapper for one. Authentication is the caller's business.
 *
 * @module
 */

/** Width of the window in records; RFC 6347 §4.1.2.6 asks for at least 32 and prefers 64. */
export const replayWindowWidth = 64;

/** A window as three numbers. A fresh one is `{ highest: -1, recent: 0, older: 0 }`. */
export interface ReplayWindowState {
  /** Highest sequence number received, or -1 when there is none: the right edge of the window. */
  highest: number;
  /** Bit i tells whether `highest - i` was received, for i = 0 … 31. */
  recent: number;
  /** Bit i tells whether `highest - 32 - i` was received, for i = 0 … 31. */
  older: number;
}

/** A window in which every record up to `highest` counts as received; for -1 none. */
export function everythingReceived(highest: number): ReplayWindowState {
  const bits = highest < 0 ? 0 : 0xffffffff;
  return { highest, recent: bits, older: bits };
}

/** Whether a record with this sequence number is new; changes nothing. Left of the window counts as seen. */
export function isNewRecord(state: Readonly<ReplayWindowState>, sequenceNumber: number): boolean {
  const age = state.highest - sequenceNumber;
  if (age < 0) return true;
  if (age < 32) return ((state.recent >>> age) & 1) === 0;
  if (age < replayWindowWidth) return ((state.older >>> (age - 32)) & 1) === 0;
  return false;
}

/**
 * Marks a sequence number as received and moves the right edge when it is the highest so far; changes `state`.
 * What lies left of the window is ignored. Only for authenticated records.
 */
export function markRecordReceived(state: ReplayWindowState, sequenceNumber: number): void {
  const age = state.highest - sequenceNumber;
  if (age < 0) {
    advance(state, -age);
    state.highest = sequenceNumber;
    state.recent = (state.recent | 1) >>> 0;
  } else if (age < 32) {
    state.recent = (state.recent | (1 << age)) >>> 0;
  } else if (age < replayWindowWidth) {
    state.older = (state.older | (1 << (age - 32))) >>> 0;
  }
}

function advance(state: ReplayWindowState, distance: number): void {
  // A shift by 32 is a shift by 0 in ECMAScript, so each word boundary is its own case.
  if (distance >= replayWindowWidth) {
    state.older = 0;
    state.recent = 0;
  } else if (distance >= 32) {
    state.older = (state.recent << (distance - 32)) >>> 0;
    state.recent = 0;
  } else {
    state.older = ((state.older << distance) | (state.recent >>> (32 - distance))) >>> 0;
    state.recent = (state.recent << distance) >>> 0;
  }
}

/**
 * Sliding window that refuses records already seen in one epoch.
 *
 * RFC 6347 §4.1.2.6. One window for each receive epoch, 64 records wide, for sequence numbers up to 2^48 - 1.
 * `check` changes nothing. Call `markReceived` only after the record is authenticated, so that a forged
 * record cannot move the window.
 */
export class AntiReplayWindow {
  readonly #state: ReplayWindowState = { highest: -1, recent: 0, older: 0 };

  /** Highest sequence number received, or -1 when there is none. */
  get highest(): number {
    return this.#state.highest;
  }

  /** Whether a record with this sequence number is new. */
  check(sequenceNumber: number): boolean {
    return isNewRecord(this.#state, sequenceNumber);
  }

  /** Marks the sequence number of an authenticated record. */
  markReceived(sequenceNumber: number): void {
    markRecordReceived(this.#state, sequenceNumber);
  }
}
