/**
 * An observation as its caller sees it: responses that keep coming.
 *
 * @module
 */

import type { CoapsuleError } from './errors.ts';
import { LatestResponses } from './latest-responses.ts';
import type { Response, StreamedResponse } from './response.ts';

/**
 * The notifications of one resource (RFC 7641), to loop over with `for await`. The first is the response to the
 * registration. Only the latest state counts: when the loop is slower than the notifications, it sees the
 * newest one and skips what was before it. The loop ends after `cancel`, or when the server ends the
 * observation; it throws when it fails. There can be one loop.
 */
export class Observation<Notification extends Response | StreamedResponse = Response>
  implements AsyncIterable<Notification>
{
  readonly #cancel: () => Promise<void>;
  readonly #responses = new LatestResponses<Notification>('an Observation');

  /** @param cancel Ends the observation at the server. */
  constructor(cancel: () => Promise<void>) {
    this.#cancel = cancel;
  }

  /** Notifications that a newer one replaced before the loop took them. */
  get skipped(): number {
    return this.#responses.skipped;
  }

  /** Ends the observation, with the server's knowledge (RFC 7641 §3.6). */
  async cancel(): Promise<void> {
    if (this.#responses.ended) return;
    this.end();
    await this.#cancel();
  }

  /** A response came. For the client, not for callers. */
  next(response: Notification): void {
    this.#responses.next('', response);
  }

  /** Nothing more comes. For the client, not for callers. */
  end(error?: CoapsuleError): void {
    this.#responses.end(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<Notification> {
    return this.#responses.loop(() => this.cancel());
  }
}
