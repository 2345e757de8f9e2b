/**
 * If-Match and If-None-Match of a request (RFC 7252 §5.10.8).
 *
 * @module
 */

import { Code } from '../core/coap/code.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import { equalBytes } from '../core/foundation/bytes.ts';
import type { Request } from './request.ts';
import { RequestFailure } from './server-response.ts';

/** What is at the path now. */
export interface CurrentState {
  readonly exists: boolean;
  /** The current representation's ETag, for resources that have one. */
  readonly etag?: Uint8Array;
}

/**
 * Lets a request pass whose conditions are fulfilled. For handlers of resources that are `conditional`, before
 * they change anything.
 *
 * @throws RequestFailure 4.12 when a condition is not fulfilled.
 */
export function expectPreconditions(request: Request, current: CurrentState): void {
  const { options } = request;
  if (options.has(OptionNumber.IfNoneMatch) && current.exists) {
    throw new RequestFailure(Code.PreconditionFailed, 'it exists already');
  }
  if (!options.has(OptionNumber.IfMatch)) return;
  const { etag } = current;
  // §5.10.8.1: an empty value asks for existence alone.
  const matches = options
    .all(OptionNumber.IfMatch)
    .some((value) => (value.length === 0 ? current.exists : etag !== undefined && equalBytes(value, etag)));
  if (!matches) throw new RequestFailure(Code.PreconditionFailed, 'it has changed or does not exist');
}
