/**
 * A body that its reader gets as it comes (RFC 7959): the peer sends the next block when the reader has the last one.
 *
 * @module
 */

import type { ReadableStream, ReadableStreamDefaultController } from '../node/web-stream.ts';
import { CoapsuleError } from './errors.ts';

/** What becomes of a body that is read. */
export interface IncomingBodyEvents {
  /** The reader has the last part: the next may come. */
  readonly taken: () => void;
  /** The reader wants no more. */
  readonly cancelled: () => void;
}

/** One body on its way in; at most one part of it waits here. */
export class IncomingBody {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #events: IncomingBodyEvents;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #part: { readonly bytes: Uint8Array; readonly last: boolean } | undefined;
  #wanted = false;
  /** The last part came, or none will. */
  #ended = false;

  constructor(events: IncomingBodyEvents) {
    this.#events = events;
    this.stream = new globalThis.ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          this.#wanted = true;
          this.#flush();
        },
        cancel: () => {
          if (this.#ended && this.#part === undefined) return;
          this.#ended = true;
          this.#part = undefined;
          events.cancelled();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Whether the whole body came, or its end is known. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The next part. */
  push(bytes: Uint8Array, last: boolean): void {
    if (this.#ended) return;
    this.#part = { bytes, last };
    this.#ended = last;
    this.#flush();
  }

  /** No more will come, though it was not all. */
  fail(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#controller?.error(error);
  }

  #flush(): void {
    const part = this.#part;
    if (part === undefined || !this.#wanted) return;
    this.#part = undefined;
    // A stream that gets nothing for a pull is not asked again.
    this.#wanted = part.bytes.length === 0;
    if (part.bytes.length > 0) this.#controller?.enqueue(part.bytes);
    if (part.last) this.#controller?.close();
    else this.#events.taken();
  }
}

/** A body that is there as a whole, as a stream. */
export function wholeBody(bytes: Uint8Array): ReadableStream<Uint8Array> {
  const body = new IncomingBody({ taken: () => undefined, cancelled: () => undefined });
  body.push(bytes, true);
  return body.stream;
}

/** What a handler gets that reads a body whose rest does not come. */
export function incompleteBody(): CoapsuleError {
  return new CoapsuleError(
    'ERR_BLOCKWISE',
    'the client did not send the rest of the body',
    'forget what was read: the client may send it again from the start',
  );
}
