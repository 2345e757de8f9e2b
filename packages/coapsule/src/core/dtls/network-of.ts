/**
 * Whom to count as one: a whole /64 of IPv6 addresses is as easy to have as one of them.
 *
 * @module
 */

import { toHex } from '../foundation/bytes.ts';
import { parseIpv6 } from '../foundation/ip-literal.ts';

/** An IPv6 address by its first 64 bits; anything else as it is. */
export function networkOf(host: string): string {
  if (!host.includes(':')) return host;
  const bytes = parseIpv6(host.replace(/%.*$/, ''));
  return bytes === undefined ? host : `${toHex(bytes.subarray(0, 8))}::/64`;
}
