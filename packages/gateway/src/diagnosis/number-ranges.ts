/**
 * Numbers that were seen, as ranges: those that mostly come one after the other take the room of one.
 *
 * @module
 */

/** More gaps than a line loses records; beyond them the lowest numbers are forgotten. */
const mostRanges = 1024;

/** A set of whole numbers of bounded size. */
export class NumberRanges {
  /** Disjoint, ascending, with a gap between any two. */
  readonly #ranges: { start: number; end: number }[] = [];

  has(number: number): boolean {
    const range = this.#ranges[this.#after(number) - 1];
    return range !== undefined && number <= range.end;
  }

  add(number: number): void {
    if (this.has(number)) return;
    const at = this.#after(number);
    const before = this.#ranges[at - 1];
    const behind = this.#ranges[at];
    if (before?.end === number - 1) {
      before.end = number;
      if (behind?.start !== number + 1) return;
      before.end = behind.end;
      this.#ranges.splice(at, 1);
    } else if (behind?.start === number + 1) behind.start = number;
    else {
      this.#ranges.splice(at, 0, { start: number, end: number });
      if (this.#ranges.length > mostRanges) this.#ranges.shift();
    }
  }

  clear(): void {
    this.#ranges.length = 0;
  }

  /** Index of the first range that begins behind a number. */
  #after(number: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ranges[middle]!.start <= number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
