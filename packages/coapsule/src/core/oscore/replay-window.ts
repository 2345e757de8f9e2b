/**
 * Which Partial IVs of requests were received, and from where on they are fresh after a restart.
 *
 * RFC 8613 §7.4 and §3.2.2 (the sliding window of RFC 6347 §4.1.2.6), Appendix B.1.2 (a window that was lost).
 * Verifying a message, and keeping the edge on disk, are not here.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';

/** Narrowest window (RFC 8613 §3.2.2), and the default. */
export const minReplayWindowSize = 32;

/** Widest window: 8 KiB of bits. */
const maxReplayWindowSize = 65_536;

/**
 * What a Partial IV is: new; received before, or too old to tell; or from a time of which the window was lost, so that
 * only an Echo can tell.
 */
export type ReplayVerdict = 'fresh' | 'replay' | 'unknown';

/**
 * A sliding window over Partial IVs, which may have lost everything below an edge.
 *
 * `verdict` changes nothing. Call `markReceived` only after the message is verified, so that a forged one cannot move
 * the window (RFC 8613 §8.2 step 6).
 */
export class ReplayWindow {
  readonly #size: number;
  /** Bit n modulo size tells whether n was received, for the `size` numbers up to `#highest`. */
  readonly #bits: Uint32Array;
  /** Highest number received, or -1. */
  #highest = -1;
  /** Numbers below are not fresh by themselves. */
  #floor: number;
  /** Whether what is below the floor is known to be old, rather than lost. */
  #synchronized: boolean;

  /**
   * @param edge Every number that was received before is below; 0 for a new context.
   * @param size 32 … 65,536 numbers.
   */
  constructor(edge = 0, size: number = minReplayWindowSize) {
    if (!Number.isInteger(size) || size < minReplayWindowSize || size > maxReplayWindowSize) {
      throw new ApiMisuseError(
        `replay window is ${size}; expected a whole number of ${minReplayWindowSize} to ${maxReplayWindowSize}`,
      );
    }
    this.#size = size;
    this.#bits = new Uint32Array(Math.ceil(size / 32));
    this.#floor = edge;
    this.#synchronized = edge === 0;
  }

  /** One above the highest number received, or what was lost. */
  get edge(): number {
    return Math.max(this.#floor, this.#highest + 1);
  }

  /** False after a restart, until a fresh number or an Echo has come (Appendix B.1.2). */
  get synchronized(): boolean {
    return this.#synchronized;
  }

  /** What a number is. */
  verdict(number: number): ReplayVerdict {
    if (number < this.#floor) return this.#synchronized ? 'replay' : 'unknown';
    if (number > this.#highest) return 'fresh';
    if (number <= this.#highest - this.#size) return 'replay';
    return this.#has(number) ? 'replay' : 'fresh';
  }

  /** Marks a fresh number of a verified message, and moves the window when it is the highest so far. */
  markReceived(number: number): void {
    // The peer has come to what is fresh by construction: what is below the floor will not come for the first time.
    this.#synchronized = true;
    if (number > this.#highest) this.#advance(number);
    this.#set(number, true);
  }

  /** A verified request with this number was proved fresh by its Echo: it becomes the lower limit (Appendix B.1.2). */
  synchronizeAt(number: number): void {
    this.#synchronized = true;
    this.#floor = number;
    this.#highest = number;
    this.#bits.fill(0);
    this.#set(number, true);
  }

  #advance(number: number): void {
    if (number - this.#highest >= this.#size) this.#bits.fill(0);
    else for (let passed = this.#highest + 1; passed < number; passed++) this.#set(passed, false);
    this.#highest = number;
  }

  #has(number: number): boolean {
    const at = number % this.#size;
    return (((this.#bits[at >>> 5] as number) >>> (at & 31)) & 1) !== 0;
  }

  #set(number: number, received: boolean): void {
    const at = number % this.#size;
    const bit = 1 << (at & 31);
    const word = this.#bits[at >>> 5] as number;
    this.#bits[at >>> 5] = received ? word | bit : word & ~bit;
  }
}
