/**
 * IP addresses by what they are for: whether an address is one of the public Internet, and whether it is in a network.
 *
 * RFC 6890 and the registries of special-purpose addresses, RFC 4291 §2.5.5.2 (IPv4-mapped), RFC 6052 (NAT64). Decides
 * where nothing may be sent on behalf of somebody else; the system's routing table is not asked.
 *
 * @module
 */

import { mappedIpv4, parseIpv4, parseIpv6 } from './ip-literal.ts';

/** A range of addresses, such as 10.0.0.0/8. */
export interface IpNetwork {
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
  readonly prefixLength: number;
}

/** `10.0.0.0/8`, `fd00::/8`, or an address alone; `undefined` when it is neither. */
export function parseIpNetwork(text: string): IpNetwork | undefined {
  const slash = text.indexOf('/');
  const bytes = addressBytes(slash < 0 ? text : text.slice(0, slash));
  if (bytes === undefined) return undefined;
  const prefix = slash < 0 ? String(bytes.length * 8) : text.slice(slash + 1);
  const prefixLength = Number(prefix);
  return /^\d{1,3}$/.test(prefix) && prefixLength <= bytes.length * 8 ? { bytes, prefixLength } : undefined;
}

/** Whether an address (IP literal, a zone does not matter) is in a network; an IPv4-mapped one is its IPv4 address. */
export function isInNetwork(address: string, network: IpNetwork): boolean {
  const bytes = addressBytes(address);
  return bytes !== undefined && contains(network, bytes);
}

/** Whether nothing can be sent to one host there: multicast, broadcast, the unspecified address, no address at all. */
export function isNoHostAddress(address: string): boolean {
  const bytes = addressBytes(address);
  return bytes === undefined || noHosts.some((network) => contains(network, bytes));
}

/**
 * Whether an address is one of the public Internet: not of this host, of a private or shared network, of a link,
 * reserved, for documentation, nor where clouds keep their metadata. An address that holds an IPv4 address
 * (IPv4-mapped, NAT64) is as public as that.
 */
export function isPublicAddress(address: string): boolean {
  const bytes = addressBytes(address);
  if (bytes === undefined || noHosts.some((network) => contains(network, bytes))) return false;
  if (bytes.length === 4) return !specialIpv4.some((network) => contains(network, bytes));
  if (contains(nat64, bytes)) return isPublicAddress(bytes.subarray(12).join('.'));
  return contains(globalUnicast, bytes) && !specialIpv6.some((network) => contains(network, bytes));
}

/** The bytes of an IP literal without its zone; 4 also for an IPv4-mapped one. */
function addressBytes(literal: string): Uint8Array | undefined {
  const zone = literal.indexOf('%');
  const text = zone < 0 ? literal : literal.slice(0, zone);
  const six = parseIpv6(text);
  return six === undefined ? parseIpv4(text) : (mappedIpv4(six) ?? six);
}

function contains({ bytes: network, prefixLength }: IpNetwork, address: Uint8Array): boolean {
  if (network.length !== address.length) return false;
  for (let i = 0; i * 8 < prefixLength; i++) {
    const mask = (0xff00 >> Math.min(8, prefixLength - i * 8)) & 0xff;
    if ((((network[i] as number) ^ (address[i] as number)) & mask) !== 0) return false;
  }
  return true;
}

function networks(...texts: readonly string[]): readonly IpNetwork[] {
  return texts.map((text) => parseIpNetwork(text) as IpNetwork);
}

const noHosts = networks('0.0.0.0/8', '224.0.0.0/4', '255.255.255.255', '::', 'ff00::/8');

const specialIpv4 = networks(
  '10.0.0.0/8', // private (RFC 1918)
  '100.64.0.0/10', // shared (RFC 6598); metadata of some clouds
  '127.0.0.0/8', // loopback
  '168.63.129.16', // a cloud's own services, reachable from its hosts alone
  '169.254.0.0/16', // link-local (RFC 3927); metadata of most clouds
  '172.16.0.0/12', // private
  '192.0.0.0/24', // IETF protocol assignments
  '192.0.2.0/24', // documentation (RFC 5737)
  '192.88.99.0/24', // 6to4 relays (RFC 7526)
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarks (RFC 2544)
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '240.0.0.0/4', // reserved
);

const nat64 = parseIpNetwork('64:ff9b::/96') as IpNetwork;
/** All of today's global unicast addresses (RFC 4291 §2.4 and its registry). */
const globalUnicast = parseIpNetwork('2000::/3') as IpNetwork;
const specialIpv6 = networks(
  '2001::/23', // IETF protocol assignments, Teredo among them
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4: holds an IPv4 address
  '3fff::/20', // documentation (RFC 9637)
);
