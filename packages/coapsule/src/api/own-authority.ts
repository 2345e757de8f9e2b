/**
 * Whether a URI names this server: the request is a local one then, also when it came to its forward-proxy.
 *
 * RFC 7252 §5.7.2, §5.10.2: a proxy recognizes all of its names and its numeric addresses.
 *
 * @module
 */

import type { CoapUri } from '../core/coap/uri.ts';
import { isInNetwork, parseIpNetwork } from '../core/foundation/ip-network.ts';
import { ipAddress } from '../core/foundation/peer-address.ts';
import { ownAddresses } from '../node/own-addresses.ts';

/** A socket of the server. */
interface OwnSocket {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
}

/** @param names What the server is called, in lower case; its addresses need no mention. */
export function isOwnAuthority(
  uri: CoapUri,
  sockets: Iterable<OwnSocket>,
  names: ReadonlySet<string>,
): boolean {
  for (const socket of sockets) {
    if (socket.scheme === uri.scheme && socket.port === uri.port && isOwnHost(uri, socket.host, names))
      return true;
  }
  return false;
}

function isOwnHost({ host, hostIsIpLiteral }: CoapUri, bound: string, names: ReadonlySet<string>): boolean {
  if (!hostIsIpLiteral)
    return names.has(host) || (host === 'localhost' && (isWildcard(bound) || isLoopback(bound)));
  const address = ipAddress(host.replace(/%.*$/s, ''), 0).host;
  if (!isWildcard(bound)) return address === bound.replace(/%.*$/s, '');
  return isLoopback(address) || ownAddresses().has(address);
}

function isWildcard(host: string): boolean {
  return host === '::' || host === '0.0.0.0';
}

const loopbackNetworks = ['127.0.0.0/8', '::1'].map(parseIpNetwork);

function isLoopback(host: string): boolean {
  return loopbackNetworks.some((network) => network !== undefined && isInNetwork(host, network));
}
