/**
 * Responses that keep coming, for one loop of `for await`: of each source the latest that the loop has not taken.
 *
 * Who ends what they come from, and how, is the matter of `observation.ts` and `multicast-responses.ts`.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { CoapsuleError } from './errors.ts';
import type { Response, StreamedResponse } from './response.ts';

/** See the module comment. */
export class LatestResponses<Taken extends Response | StreamedResponse = Response> {
  readonly #owner: string;
  /** By source, the one that waits longest first. */
  readonly #waiting = new Map<string, Taken>();
  #ended = false;
  #looped = false;
  #error: CoapsuleError | ApiMisuseError | undefined;
  #wake: (() => void) | undefined;
  #skipped = 0;

  /** @param owner What is looped over, for the message when that is done twice. */
  constructor(owner: string) {
    this.#owner = owner;
  }

  /** Whether nothing more comes. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Responses that a newer one of the same source replaced before the loop took them. */
  get skipped(): number {
    return this.#skipped;
  }

  /** A response came. */
  next(source: string, response: Taken): void {
    if (this.#ended) return;
    if (this.#waiting.delete(source)) this.#skipped++;
    this.#waiting.set(source, response);
    this.#wake?.();
  }

  /** Nothing more comes. The loop throws the first `error`, behind what it has not taken. */
  end(error?: CoapsuleError | ApiMisuseError): void {
    this.#ended = true;
    this.#error ??= error;
    this.#wake?.();
  }

  /**
   * The one loop there can be.
   *
   * @param left Called when the loop is over, also by `break`.
   */
  loop(left: () => void | Promise<void>): AsyncIterator<Taken> {
    if (this.#looped) throw new ApiMisuseError(`${this.#owner} can be looped over once only`);
    this.#looped = true;
    return this.#loop(left);
  }

  async *#loop(left: () => void | Promise<void>): AsyncGenerator<Taken> {
    try {
      for (;;) {
        const [first] = this.#waiting;
        if (first !== undefined) {
          const [source, response] = first;
          this.#waiting.delete(source);
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
      await left();
    }
  }
}
