/**
 * Whether two blocks of a response are of one representation.
 *
 * RFC 7959 §2.3 and §2.4, RFC 9175 §3.8.
 *
 * @module
 */

import { OptionNumber } from '../coap/option-registry.ts';
import { equalBytes } from '../foundation/bytes.ts';
import type { Content } from './exchange.ts';

/** §2.4: ETags must be the same, or missing in both. §2.3: Content-Format is that of the whole body. */
export function sameRepresentation(a: Content, b: Content): boolean {
  return [OptionNumber.ETag, OptionNumber.ContentFormat].every((number) => {
    const [x, y] = [a.options.first(number), b.options.first(number)];
    return x === undefined || y === undefined ? x === y : equalBytes(x, y);
  });
}
