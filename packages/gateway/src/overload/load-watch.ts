/**
 * How late the event loop is: a timer that should fire every quarter of a second, and by how much it was late.
 *
 * A thread that is late by more than a second makes devices send again what they sent (RFC 7252 §4.8: ACK_TIMEOUT is two
 * seconds), which is more load still. One late tick may be a pause of the whole machine; the delay that counts is the smaller of
 * the latest two. Time and timer are injected.
 */
import type { TickTimer } from '../resources/periodic-tick.ts';

/** Between two looks. */
const periodMs = 250;

/** See the module comment. */
export class LoadWatch {
  readonly #timer: TickTimer;
  #cancel: () => void;
  #latestMs = 0;
  #formerMs = 0;
  #longestMs = 0;

  constructor(timer: TickTimer) {
    this.#timer = timer;
    this.#cancel = this.#await();
  }

  /** The delay that counts, in milliseconds. */
  get delayMs(): number {
    return Math.min(this.#latestMs, this.#formerMs);
  }

  /** Of the latest look. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /** The longest delay since this was asked last. */
  takeLongestMs(): number {
    const longest = this.#longestMs;
    this.#longestMs = 0;
    return longest;
  }

  stop(): void {
    this.#cancel();
  }

  #await(): () => void {
    const due = this.#timer.now() + periodMs;
    return this.#timer.after(periodMs, () => {
      this.#formerMs = this.#latestMs;
      this.#latestMs = Math.max(0, this.#timer.now() - due);
      this.#longestMs = Math.max(this.#longestMs, this.#latestMs);
      this.#cancel = this.#await();
    });
  }
}
