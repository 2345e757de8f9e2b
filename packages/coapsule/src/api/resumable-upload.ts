/**
 * An upload in blocks that goes on where it stopped, when the server did not answer or the association ended.
 *
 * RFC 7959 §2.5, RFC 9175 §3: the server knows the body by its Request-Tag, and goes on with the block that is due.
 *
 * @module
 */

import { canBeReadAgain } from './body-input.ts';
import type { RequestOptions } from './client-options.ts';
import { CoapsuleError } from './errors.ts';
import type { Response } from './response.ts';

/** Makes a request again, at most as often as its options say and as long as its upload can go on. */
export async function resumed(
  options: RequestOptions,
  attempt: (options: RequestOptions) => Promise<Response>,
): Promise<Response> {
  let { resumable = 0, resumeFrom } = options;
  for (;;) {
    try {
      return await attempt(resumeFrom === undefined ? options : { ...options, resumeFrom });
    } catch (error) {
      const position = error instanceof CoapsuleError ? error.upload : undefined;
      if (position === undefined || resumable-- <= 0 || !canBeReadAgain(options.payload)) throw error;
      resumeFrom = position;
    }
  }
}
