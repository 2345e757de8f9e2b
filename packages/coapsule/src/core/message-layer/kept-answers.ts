/**
 * Answers that are kept for copies of their requests, as bytes.
 *
 * Short ones, which most are, lie in cells of one array: an object for each would be visited by the garbage collector for as
 * long as EXCHANGE_LIFETIME, and moved twice before that. Whose answer it is, and how long it is kept, is not known here.
 *
 * @module
 */

import { grown } from '../foundation/grown.ts';

/** The number of a cell, or a long answer itself. */
export type KeptAnswer = number | Uint8Array;

/** Bytes of a cell: the length of the answer in it, and the answer. */
const cellLength = 64;

/** More than so many cells are given back when none of them is in use. */
const cellsKept = 4096;

/** See the module comment. */
export class KeptAnswers {
  #cells = new Uint8Array(0);
  /** Cells that were used before and are free. */
  #free: number[] = [];
  /** Cells that were ever used. */
  #end = 0;

  /** Keeps a copy of `bytes` from `start` on. */
  keep(bytes: Uint8Array, start: number): KeptAnswer {
    const length = bytes.length - start;
    if (length >= cellLength) return bytes.slice(start);
    const cell = this.#free.pop() ?? this.#newCell();
    const cells = this.#cells;
    const at = cell * cellLength;
    cells[at] = length;
    for (let i = 0; i < length; i++) cells[at + 1 + i] = bytes[start + i] as number;
    return cell;
  }

  /** What was kept; a copy, or not to be changed. */
  bytesOf(kept: KeptAnswer): Uint8Array {
    if (typeof kept !== 'number') return kept;
    const at = kept * cellLength;
    return this.#cells.slice(at + 1, at + 1 + (this.#cells[at] as number));
  }

  /** It is not kept any more. */
  release(kept: KeptAnswer): void {
    if (typeof kept !== 'number') return;
    this.#free.push(kept);
    if (this.#end <= cellsKept || this.#free.length < this.#end) return;
    this.#cells = new Uint8Array(0);
    this.#free = [];
    this.#end = 0;
  }

  #newCell(): number {
    if ((this.#end + 1) * cellLength > this.#cells.length) {
      this.#cells = grown(this.#cells, Math.ceil(1.5 * (this.#end + 16)) * cellLength);
    }
    return this.#end++;
  }
}
