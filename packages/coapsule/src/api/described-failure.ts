/**
 * How a failure is told to a client: problem details where it takes them, else a text (RFC 9290, RFC 7252 §5.5.2).
 *
 * @module
 */

import { encodeProblemDetails, plainText, problemDetailsFormat } from '../core/content/problem-details.ts';
import type { ServerResponse } from './server-response.ts';

/**
 * The response as it is sent, of class 4 or 5.
 *
 * @param accept What the request accepts (RFC 7252 §5.10.4).
 * @param always The resource wants problem details whatever the request accepts.
 * @throws ApiMisuseError for problem details that cannot be encoded.
 */
export function describedFailure(
  response: ServerResponse,
  accept: number | undefined,
  always: boolean,
): ServerResponse {
  const { problem, ...rest } = response;
  const isText = typeof rest.payload === 'string' && rest.payload !== '' && rest.contentFormat === undefined;
  if (problem === undefined && !isText) return response;
  if (!always && accept !== problemDetailsFormat) {
    const text = plainText(problem?.detail) ?? plainText(problem?.title);
    return text === undefined ? rest : { ...rest, payload: text };
  }
  const details = problem ?? { title: rest.payload as string };
  return {
    ...rest,
    // RFC 9290 §2: the same code here as in the response.
    payload: encodeProblemDetails({ ...details, responseCode: response.code }),
    contentFormat: problemDetailsFormat,
  };
}
