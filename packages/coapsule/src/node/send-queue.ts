/**
 * What waits between the endpoint and a socket: handed over no faster than the socket takes it, so that it shows whether the
 * peer takes anything at all. Node writes all that waits in one go and tells only when the whole of it is gone.
 *
 * @module
 */

import { OutputQueue } from '../core/foundation/output-queue.ts';

/** The socket as a queue sees it. */
export interface SendTarget {
  /** Takes bytes; `done` is called when they have left this process, or never will. */
  write(bytes: Uint8Array, done: (error?: Error | null) => void): void;
  /** Bytes that it holds. */
  buffered(): number;
  /** A full queue got rid of something. */
  progress(): void;
  /** A full queue is empty. */
  drained(): void;
}

/** What a socket may hold before it is asked to wait. */
const highWaterBytes = 64 * 1024;

/** See the module comment. */
export class SendQueue {
  readonly #target: SendTarget;
  readonly #waiting = new OutputQueue<Uint8Array>();
  #isFull = false;

  constructor(target: SendTarget) {
    this.#target = target;
  }

  /** Sends in order. False: it holds more than it wants to, and `drained` will come. */
  send(bytes: Uint8Array): boolean {
    this.#waiting.push(bytes);
    this.#handOver();
    this.#isFull ||= this.#waiting.length > 0 || this.#target.buffered() >= highWaterBytes;
    return !this.#isFull;
  }

  /** Hands over all that waits: the socket is about to be closed behind it. */
  flush(): void {
    for (let bytes = this.#waiting.shift(); bytes !== undefined; bytes = this.#waiting.shift()) {
      this.#target.write(bytes, () => {});
    }
  }

  #handOver(): void {
    while (this.#target.buffered() < highWaterBytes) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) return;
      this.#target.write(bytes, (error) => this.#written(error));
    }
  }

  #written(error: Error | null | undefined): void {
    if (error) return;
    const wasFull = this.#isFull;
    this.#handOver();
    if (!wasFull) return;
    this.#isFull = this.#waiting.length > 0 || this.#target.buffered() > 0;
    if (this.#isFull) this.#target.progress();
    else this.#target.drained();
  }
}
