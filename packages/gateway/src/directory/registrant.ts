/**
 * Where the requests of a registrant come from, as far as the Resource Directory makes use of it (RFC 9176 §5, §6.1).
 */
import type { PeerInfo, Request } from 'coapsule';
import type { RegistrationBase } from './registration.ts';

/** Default ports of the schemes that a base is made for (RFC 7252 §6.1, §6.2). */
const defaultPorts: Readonly<Record<string, number>> = { coap: 5683, coaps: 5684 };

/** The link that a link-local address belongs to; undefined for an address that all can use. */
export function linkOf({ address }: PeerInfo): string | undefined {
  const { host } = address;
  if (/^169\.254\./.test(host)) return 'IPv4';
  if (!/^fe[89ab]/i.test(host)) return undefined;
  const percent = host.indexOf('%');
  return percent < 0 ? '' : host.slice(percent + 1);
}

/**
 * The base that a registrant has without giving one: its scheme, address and port. Undefined where nobody could reach it
 * there: over connections, which come from ephemeral ports, and on serial lines.
 */
export function implicitBase({ peer, scheme }: Request): RegistrationBase | undefined {
  if (peer.transport !== 'udp') return undefined;
  const { host, port } = peer.address;
  const literal = host.includes(':') ? `[${host.replace(/%.*$/, '')}]` : host;
  const suffix = port === defaultPorts[scheme] ? '' : `:${port}`;
  return { uri: `${scheme}://${literal}${suffix}`, isGiven: false, zone: linkOf(peer) };
}

/**
 * The base that a registrant gives.
 *
 * @returns a sentence that says what is wrong with it: a link-local one MUST be local to the link that the request came by
 *          (RFC 9176 §5).
 */
export function givenBase(uri: string, peer: PeerInfo): RegistrationBase | string {
  if (!/:\/\/(?:\[fe[89ab]|169\.254\.)/i.test(uri)) return { uri, isGiven: true, zone: undefined };
  const zone = linkOf(peer);
  return zone === undefined
    ? 'base is link-local, and the request did not come from that link'
    : { uri, isGiven: true, zone };
}
