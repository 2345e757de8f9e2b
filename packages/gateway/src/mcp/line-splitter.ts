/**
 * Bytes into lines, none longer than a limit.
 *
 * @module
 */

/** A line, or what was wrong with one. */
export type SplitLine =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'not-utf-8' };

const lineFeed = 0x0a;

/** Keeps at most `maxBytes` of an unfinished line; the rest of a longer one is passed over. */
export class LineSplitter {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #length = 0;
  #isTooLong = false;

  /** @param maxBytes Without the line feed. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes bytes, and gives what they complete. */
  *push(chunk: Uint8Array): Generator<SplitLine> {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      this.#keep(chunk.subarray(start, end));
      start = end + 1;
      const line = this.#line();
      if (line !== undefined) yield line;
    }
    this.#keep(chunk.subarray(start));
  }

  #keep(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length > this.#maxBytes) {
      this.#isTooLong = true;
      this.#parts = [];
    } else if (part.length > 0) this.#parts.push(part.slice());
  }

  /** Nothing for an empty line. */
  #line(): SplitLine | undefined {
    const isTooLong = this.#isTooLong;
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    this.#isTooLong = false;
    if (isTooLong) return { kind: 'too-long' };
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      return text.trim() === '' ? undefined : { kind: 'line', text };
    } catch {
      return { kind: 'not-utf-8' };
    }
  }
}
