/**
 * What came of a request to a group: a response of each device that answered.
 *
 * @module
 */

import type { ApiMisuseError } from '../core/foundation/errors.ts';
import type { CoapsuleError } from './errors.ts';
import { LatestResponses } from './latest-responses.ts';
import type { Response } from './response.ts';

/**
 * The responses to a request to a group, to loop over with `for await` as they come, or to await with `all`. Who answered
 * is `response.peer.address`. The loop ends with the window; of an observation it goes on until `cancel` or `break`, and
 * when it is slower than a device's notifications it sees the latest state of each device. It throws when the request
 * could not be sent. There can be one loop.
 */
export class MulticastResponses implements AsyncIterable<Response> {
  readonly #cancel: () => void;
  readonly #responses = new LatestResponses('MulticastResponses');

  /** @param cancel Gives the request up, or ends the observation with all devices. */
  constructor(cancel: () => void) {
    this.#cancel = cancel;
  }

  /** Notifications that a newer one of the same device replaced before the loop took them. */
  get skipped(): number {
    return this.#responses.skipped;
  }

  /** All responses, once the window is over. Not for an observation, which has no end. */
  async all(): Promise<Response[]> {
    const responses: Response[] = [];
    for await (const response of this) responses.push(response);
    return responses;
  }

  /** Takes no more responses; observers are taken off the lists of all devices (groupcomm-bis §3.7). */
  cancel(): void {
    if (this.#responses.ended) return;
    this.end();
    this.#cancel();
  }

  /** A response came. For the client, not for callers. */
  next(response: Response): void {
    this.#responses.next(response.peer.address.key, response);
  }

  /** Nothing more comes. For the client, not for callers. */
  end(error?: CoapsuleError | ApiMisuseError): void {
    if (!this.#responses.ended) this.#responses.end(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<Response> {
    return this.#responses.loop(() => this.cancel());
  }
}
