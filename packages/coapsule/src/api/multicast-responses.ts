/**
 * What came of a request to a group: a response of each device that answered.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { CoapsuleError } from './errors.ts';
import type { Response } from './response.ts';

/**
 * The responses to a request to a group, to loop over with `for await` as they come, or to await with `all`. Who answered
 * is `response.peer.address`. The loop ends with the window; of an observation it goes on until `cancel` or `break`, and
 * when it is slower than a device's notifications it sees the latest state of each device. It throws when the request
 * could not be sent. There can be one loop.
 */
export class MulticastResponses implements AsyncIterable<Response> {
  readonly #cancel: () => void;
  /** What the loop has not taken, by device. */
  readonly #waiting = new Map<string, Response>();
  #ended = false;
  #looped = false;
  #error: CoapsuleError | ApiMisuseError | undefined;
  #wake: (() => void) | undefined;
  /** Notifications that a newer one of the same device replaced before the loop took them. */
  skipped = 0;

  /** @param cancel Gives the request up, or ends the observation with all devices. */
  constructor(cancel: () => void) {
    this.#cancel = cancel;
  }

  /** All responses, once the window is over. Not for an observation, which has no end. */
  async all(): Promise<Response[]> {
    const responses: Response[] = [];
    for await (const response of this) responses.push(response);
    return responses;
  }

  /** Takes no more responses; observers are taken off the lists of all devices (groupcomm-bis §3.7). */
  cancel(): void {
    if (this.#ended) return;
    this.end();
    this.#cancel();
  }

  /** A response came. For the client, not for callers. */
  next(response: Response): void {
    if (this.#ended) return;
    const { key } = response.peer.address;
    if (this.#waiting.delete(key)) this.skipped++;
    this.#waiting.set(key, response);
    this.#wake?.();
  }

  /** Nothing more comes. For the client, not for callers. */
  end(error?: CoapsuleError | ApiMisuseError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  [Symbol.asyncIterator](): AsyncIterator<Response> {
    if (this.#looped) throw new ApiMisuseError('MulticastResponses can be looped over once only');
    this.#looped = true;
    return this.#loop();
  }

  async *#loop(): AsyncGenerator<Response> {
    try {
      for (;;) {
        const [first] = this.#waiting;
        if (first !== undefined) {
          const [key, response] = first;
          this.#waiting.delete(key);
          yield response;
          continue;
        }
        if (this.#error) throw this.#error;
        if (this.#ended) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      // `break` in the caller's loop ends up here.
      this.cancel();
    }
  }
}
