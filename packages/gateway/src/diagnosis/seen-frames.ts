/**
 * Frames of one fault: the first ones by number, the others by count, so that a fault that goes on for days stays small.
 *
 * @module
 */

/** As many as a finding names, and no more. */
const mostNamed = 10;

/** Grows by the frame, and keeps its size. */
export class SeenFrames {
  readonly first: number[] = [];
  /** All of them. */
  count = 0;
  /** The latest one. */
  last = 0;

  add(...frames: readonly number[]): void {
    for (const frame of frames) {
      if (this.first.length < mostNamed) this.first.push(frame);
      this.count += 1;
      this.last = frame;
    }
  }

  clear(): void {
    this.first.length = 0;
    this.count = 0;
    this.last = 0;
  }
}
