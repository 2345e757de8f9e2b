/**
 * How far a block-wise transfer came (RFC 7959, RFC 9177), by the messages that go by: for transfers that take long enough to wonder.
 *
 * What is inside of OSCORE is not seen here.
 *
 * @module
 */

import type { TraceEvent } from 'coapsule';
import {
  bertSzx,
  blockSize,
  decodeBlock,
  decodeMessage,
  decodeStreamMessage,
  decodeUint,
  isDecodeFault,
  isRequestCode,
  OptionNumber,
  type OptionReader,
} from 'coapsule/message';
import { type ProgressEnvironment, ProgressLine } from './progress-line.ts';

/** Transfers shorter than this show nothing, in ms. */
const quietMs = 500;

/** Between two lines, in ms. */
const pauseMs = 100;

/** Blocks over a reliable transport count in units of this many bytes (RFC 8323 §6). */
const bertUnit = 1024;

/** Watches the trace of one client. */
export class BlockProgress {
  readonly #line: ProgressLine;
  readonly #now: () => number;
  #begunMs: number | undefined;
  #shownMs = 0;
  #total: number | undefined;

  constructor(environment: ProgressEnvironment) {
    this.#line = new ProgressLine(environment);
    this.#now = () => environment.wallTimeMs();
  }

  /** Whether there is anybody to tell. */
  get isShown(): boolean {
    return this.#line.isShown;
  }

  /** Takes one event of the trace. */
  event(event: TraceEvent): void {
    if (event.kind !== 'message' && event.kind !== 'stream-message') return;
    const message =
      event.kind === 'message'
        ? decodeMessage(event.bytes)
        : decodeStreamMessage(event.bytes, event.transport);
    if (isDecodeFault(message)) return;
    const isRequest = isRequestCode(message.code);
    // Of responses those that came, of requests those that leave.
    if (isRequest === (event.direction === 'received')) return;
    this.#block(message.options, isRequest, message.payload.length);
  }

  /** The line goes, for whatever comes next. */
  end(): void {
    this.#line.end();
    this.#begunMs = undefined;
    this.#total = undefined;
  }

  #block(options: OptionReader, isRequest: boolean, length: number): void {
    const numbers = isRequest
      ? [OptionNumber.Block1, OptionNumber.QBlock1]
      : [OptionNumber.Block2, OptionNumber.QBlock2];
    const value = numbers.map((number) => options.first(number)).find((found) => found !== undefined);
    const block = value === undefined ? undefined : decodeBlock(value, true);
    if (block === undefined) return;
    if (!block.more) {
      this.end();
      return;
    }
    const size = options.first(isRequest ? OptionNumber.Size1 : OptionNumber.Size2);
    if (size !== undefined) this.#total = decodeUint(size);
    const now = this.#now();
    this.#begunMs ??= now;
    if (now - this.#begunMs < quietMs || now - this.#shownMs < pauseMs) return;
    this.#shownMs = now;
    const bytes = block.num * (block.szx === bertSzx ? bertUnit : blockSize(block.szx)) + length;
    const rate = Math.round(bytes / 1.024 / (now - this.#begunMs));
    const total = this.#total === undefined || this.#total < bytes ? undefined : this.#total;
    const text =
      total === undefined
        ? `${bytes} bytes, ${rate} KiB/s`
        : `${Math.floor((100 * bytes) / total)} % of ${total} bytes, ${rate} KiB/s`;
    this.#line.show(text, total === undefined ? undefined : bytes / total);
  }
}
