/**
 * SLIP (RFC 1055): packets on a line of bytes, each between two END bytes, with END and ESC inside them escaped.
 *
 * As draft-bormann-t2trg-slipmux §6 asks, an END also stands before each frame, so that what was on the line before it ends
 * there; empty frames mean nothing, and ESC END gives a frame up. Bytes are unescaped as they arrive, so the buffer holds
 * the frame as it was before escaping, never twice its length.
 *
 * @module
 */

/** Begins and ends each frame. */
export const slipEnd = 0xc0;
const slipEsc = 0xdb;
const slipEscEnd = 0xdc;
const slipEscEsc = 0xdd;

/** Why a frame was given up: longer than the buffer, aborted by its sender, or with an ESC that escapes nothing. */
export type BrokenFrame = 'overrun' | 'aborted' | 'bad-escape';

/** What a chunk of the line brought. */
export type SlipEvent =
  /** A whole frame; the bytes are the receiver's own. */
  | { readonly kind: 'frame'; readonly bytes: Uint8Array }
  /** A line of text that is not, or not yet, ended by END; see `SlipDecoderOptions.isText`. */
  | { readonly kind: 'line'; readonly bytes: Uint8Array }
  /** `length`: bytes of it that were seen, after unescaping. */
  | { readonly kind: 'broken'; readonly reason: BrokenFrame; readonly length: number };

/** How one direction of a line is read. */
export interface SlipDecoderOptions {
  /** Longest frame in bytes, after unescaping; memory of the decoder. */
  readonly capacity: number;
  /**
   * Whether a byte can be one of text, asked for each until one is not. What is text also ends behind each line feed, and
   * where the buffer is full. Default: nothing is text.
   */
  readonly isText?: (byte: number, isFirst: boolean) => boolean;
}

const lineFeed = 0x0a;

/** Takes the bytes of one direction, split and merged in any way. Its memory does not grow with what it is given. */
export class SlipDecoder {
  readonly #buffer: Uint8Array;
  readonly #isText: (byte: number, isFirst: boolean) => boolean;
  #length = 0;
  /** All bytes so far can be text. */
  #text = false;
  #escaped = false;
  #broken: BrokenFrame | undefined;
  /** Bytes of a broken frame. */
  #brokenLength = 0;
  #peak = 0;

  constructor(options: SlipDecoderOptions) {
    this.#buffer = new Uint8Array(options.capacity);
    this.#isText = options.isText ?? (() => false);
  }

  /** Most bytes that were in the buffer so far. */
  get peak(): number {
    return this.#peak;
  }

  /** Bytes of the frame that has begun. */
  get pending(): number {
    return this.#length + this.#brokenLength;
  }

  /** The events of a chunk, in the order of the line. The chunk is not kept. */
  receive(chunk: Uint8Array): SlipEvent[] {
    const events: SlipEvent[] = [];
    for (const byte of chunk) {
      if (byte === slipEnd) this.#end(events);
      else if (this.#escaped) this.#unescape(byte, events);
      else if (byte === slipEsc) this.#escaped = true;
      else this.#take(byte, events);
    }
    return events;
  }

  /** Forgets the frame that has begun, such as after the line was unplugged. */
  reset(): void {
    this.#length = 0;
    this.#escaped = false;
    this.#broken = undefined;
    this.#brokenLength = 0;
  }

  #end(events: SlipEvent[]): void {
    if (this.#escaped) this.#break('aborted');
    if (this.#broken !== undefined) {
      events.push({ kind: 'broken', reason: this.#broken, length: this.#brokenLength });
    } else if (this.#length > 0) {
      events.push({ kind: 'frame', bytes: this.#buffer.slice(0, this.#length) });
    }
    this.reset();
  }

  #unescape(byte: number, events: SlipEvent[]): void {
    this.#escaped = false;
    if (byte === slipEscEnd) this.#take(slipEnd, events);
    else if (byte === slipEscEsc) this.#take(slipEsc, events);
    // RFC 1055 would take the byte as it is; what was changed on the line is not a packet any more.
    else this.#break('bad-escape');
  }

  #take(byte: number, events: SlipEvent[]): void {
    if (this.#broken !== undefined) {
      this.#brokenLength++;
      return;
    }
    if (this.#length === this.#buffer.length) {
      if (!this.#text) {
        this.#break('overrun');
        this.#brokenLength++;
        return;
      }
      this.#endLine(events);
    }
    const isFirst = this.#length === 0;
    this.#text = (isFirst || this.#text) && this.#isText(byte, isFirst);
    this.#buffer[this.#length++] = byte;
    if (this.#length > this.#peak) this.#peak = this.#length;
    if (byte === lineFeed && this.#text && !isFirst) this.#endLine(events);
  }

  #endLine(events: SlipEvent[]): void {
    events.push({ kind: 'line', bytes: this.#buffer.slice(0, this.#length) });
    this.#length = 0;
  }

  #break(reason: BrokenFrame): void {
    if (this.#broken !== undefined) return;
    this.#broken = reason;
    this.#brokenLength = this.#length;
    this.#length = 0;
  }
}

/** Bytes that a packet takes between its two ENDs. */
export function escapedLength(packet: Uint8Array): number {
  let length = packet.length;
  for (const byte of packet) if (byte === slipEnd || byte === slipEsc) length++;
  return length;
}

/** Writes bytes with END and ESC escaped; returns the offset behind them. There must be room for `escapedLength`. */
export function writeEscaped(bytes: Uint8Array, into: Uint8Array, offset: number): number {
  let at = offset;
  for (const byte of bytes) {
    if (byte === slipEnd) {
      into[at++] = slipEsc;
      into[at++] = slipEscEnd;
    } else if (byte === slipEsc) {
      into[at++] = slipEsc;
      into[at++] = slipEscEsc;
    } else into[at++] = byte;
  }
  return at;
}
