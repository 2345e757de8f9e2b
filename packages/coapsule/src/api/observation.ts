/**
 * An observation as its caller sees it: responses that keep coming.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { CoapsuleError } from './errors.ts';
import type { Response } from './response.ts';

/**
 * The notifications of one resource (RFC 7641), to loop over with `for await`. The first is the response to the
 * registration. Only the latest state counts: when the loop is slower than the notifications, it sees the
 * newest one and skips what was before it. The loop ends after `cancel`, or when the server ends the
 * observation; it throws when it fails. There can be one loop.
 */
export class Observation implements AsyncIterable<Response> {
  readonly #cancel: () => Promise<void>;
  #latest: Response | undefined;
  #ended = false;
  #looped = false;
  #error: CoapsuleError | undefined;
  #wake: (() => void) | undefined;
  /** Notifications that a newer one replaced before the loop took them. */
  skipped = 0;

  /** @param cancel Ends the observation at the server. */
  constructor(cancel: () => Promise<void>) {
    this.#cancel = cancel;
  }

  /** Ends the observation, with the server's knowledge (RFC 7641 §3.6). */
  async cancel(): Promise<void> {
    if (this.#ended) return;
    this.end();
    await this.#cancel();
  }

  /** A response came. For the client, not for callers. */
  next(response: Response): void {
    if (this.#ended) return;
    if (this.#latest) this.skipped++;
    this.#latest = response;
    this.#wake?.();
  }

  /** Nothing more comes. For the client, not for callers. */
  end(error?: CoapsuleError): void {
    this.#ended = true;
    this.#error ??= error;
    this.#wake?.();
  }

  [Symbol.asyncIterator](): AsyncIterator<Response> {
    if (this.#looped) throw new ApiMisuseError('an Observation can be looped over once only');
    this.#looped = true;
    return this.#loop();
  }

  async *#loop(): AsyncGenerator<Response> {
    try {
      for (;;) {
        const response = this.#latest;
        if (response) {
          this.#latest = undefined;
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
      await this.cancel();
    }
  }
}
