/**
 * IP multicast as CoAP uses it: which addresses are groups, those of all CoAP nodes, and the Leisure.
 *
 * RFC 7252 §8.2 and §12.8, RFC 4291 §2.7, draft-ietf-core-groupcomm-bis §3.6.1 and §3.9.1. Joins nothing.
 *
 * @module
 */

import { ApiMisuseError } from '../foundation/errors.ts';
import { mappedIpv4, parseIpv4, parseIpv6 } from '../foundation/ip-literal.ts';

/**
 * "All CoAP Nodes" (RFC 7252 §12.8): IPv4, and IPv6 with link-local, admin-local and site-local scope, as
 * draft-ietf-core-groupcomm-bis §3.9.1 has them.
 */
export const allCoapNodes: { readonly ipv4: readonly string[]; readonly ipv6: readonly string[] } =
  Object.freeze({
    ipv4: Object.freeze(['224.0.1.187']),
    ipv6: Object.freeze(['ff02::fd', 'ff04::fd', 'ff05::fd']),
  });

/** Whether an IP literal, with or without a zone, is a multicast address: 224.0.0.0/4 or ff00::/8. */
export function isMulticastAddress(host: string): boolean {
  const six = parseIpv6(withoutZone(host));
  // To one of IPv4 that is written as one of IPv6 (RFC 4291 §2.5.5.2) the system sends as to IPv4.
  const four = parseIpv4(host) ?? (six && mappedIpv4(six));
  return four === undefined ? six?.[0] === 0xff : (four[0] as number) >> 4 === 0xe;
}

/** Whether a multicast address means another group on each link: interface-local (1) or link-local (2) scope. */
export function isLinkScoped(host: string): boolean {
  const scope = (parseIpv6(withoutZone(host))?.[1] ?? 0) & 0x0f;
  return scope === 1 || scope === 2;
}

/** What a lower bound for the Leisure is computed from (RFC 7252 §8.2). */
export interface LeisureEstimate {
  /** G: how many servers may answer. */
  readonly groupSize: number;
  /** S: bytes of a usual answer; 100 by default. */
  readonly responseBytes?: number;
  /** R: bytes a second that may be used for the answers of all; 1000 by default, as of a 6LoWPAN network. */
  readonly bytesPerSecond?: number;
}

/**
 * The lower bound of the Leisure, S · G / R, in milliseconds (RFC 7252 §8.2).
 *
 * @throws ApiMisuseError for a number that is not above 0.
 */
export function leisureMs({
  groupSize,
  responseBytes = 100,
  bytesPerSecond = 1000,
}: LeisureEstimate): number {
  for (const [name, value] of Object.entries({ groupSize, responseBytes, bytesPerSecond })) {
    if (!(value > 0 && Number.isFinite(value))) {
      throw new ApiMisuseError(`${name} is ${value}; expected a number above 0`);
    }
  }
  return ((responseBytes * groupSize) / bytesPerSecond) * 1000;
}

function withoutZone(host: string): string {
  const zone = host.indexOf('%');
  return zone < 0 ? host : host.slice(0, zone);
}
