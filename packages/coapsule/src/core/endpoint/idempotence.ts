/**
 * Which requests may be sent again when nobody knows whether they were carried out.
 *
 * @module
 */

import { Code } from '../coap/code.ts';

/** RFC 7252 §5.1, RFC 8132 §2.1: carried out twice, they do what they do once. */
const idempotent: readonly Code[] = [Code.Get, Code.Fetch, Code.Put, Code.Delete, Code.IPatch];

/** Whether a request that is carried out twice does what it does once. */
export function isIdempotent(code: Code): boolean {
  return idempotent.includes(code);
}
