/**
 * What a request is told that never reaches the application: a code, and why, in the form the client takes.
 *
 * RFC 7252 §5.5.2 (diagnostic payload), RFC 9290 (problem details, where the request accepts them).
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { encodeProblemDetails, problemDetailsFormat } from '../content/problem-details.ts';
import { noBytes } from '../foundation/bytes.ts';
import { encodeUtf8 } from '../foundation/utf8.ts';
import type { Content } from './exchange.ts';

/** What is told beside the code. */
export interface RefusalDetails {
  /** One sentence for people; none leaves the payload empty. */
  readonly diagnostic?: string;
  /** Further options of the response. */
  readonly options?: OptionReader;
  /** The option that could not be processed (RFC 9290 §3.1.1). */
  readonly unprocessed?: number;
}

/** The response to a request with the options `request`. */
export function refusal(request: OptionReader, code: Code, details: RefusalDetails): Content {
  const { diagnostic = '', options = new OptionSet(), unprocessed } = details;
  if (diagnostic === '') return { code, options, payload: noBytes };
  if (request.uint(OptionNumber.Accept) !== problemDetailsFormat) {
    return { code, options, payload: encodeUtf8(diagnostic) };
  }
  const payload = encodeProblemDetails({
    title: diagnostic,
    responseCode: code,
    ...(unprocessed === undefined ? {} : { unprocessedOptions: [unprocessed] }),
  });
  const described = OptionSet.from(options.entries()).set(OptionNumber.ContentFormat, problemDetailsFormat);
  return { code, options: described, payload };
}
