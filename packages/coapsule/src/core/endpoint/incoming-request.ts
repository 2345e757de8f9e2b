/**
 * A request as the application gets it, made of what the request/response layer has put together.
 *
 * @module
 */

import type { RequestResponseOutput } from '../request-response/request-response-layer.ts';
import type { IncomingRequest } from './outputs.ts';

/**
 * The request, with what is known of the message that completed it.
 *
 * @param messageId None on a reliable transport.
 */
export function incomingRequest(
  { request }: Extract<RequestResponseOutput, { kind: 'request' }>,
  messageId: number | undefined,
  confirmable: boolean,
): IncomingRequest {
  const { code, options, payload, token, refresh, bodyFollows, observe, group } = request;
  const plain = { code, options, payload, token, messageId, confirmable, refresh, bodyFollows };
  // Nearly all are; copied without a spread, which costs more than the rest of the step.
  if (observe === undefined && group === undefined) return plain;
  return { ...plain, ...(observe && { observe }), ...(group && { group }) };
}
