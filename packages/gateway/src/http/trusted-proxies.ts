/**
 * Who a request of HTTP comes from, where servers stand in between: they say it in `X-Forwarded-For` or `Forwarded` (RFC 7239), and
 * anybody else can say it too. It counts from servers that the operator trusts (`--trusted-proxy`), and from nobody else; read from the
 * right, where the nearest has written, up to the first address that is none of theirs.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';

/** Addresses that begin with the same bits. */
export interface ProxyNetwork {
  readonly address: string;
  readonly prefix: number;
}

/** Who asks. */
export interface HttpClient {
  /** An IP literal without brackets and zone; IPv4 also where it came as an IPv4-mapped address of IPv6. */
  readonly address: string;
  /** Whether a browser that asked used TLS as far as the first server, and so may have Secure cookies. */
  readonly isSecure: boolean;
}

/** What it is told by. */
export interface ForwardedRequest {
  /** Of the connection. */
  readonly peer: string;
  /** Whether the connection has TLS. */
  readonly isTls: boolean;
  /** A header that came in several lines, joined with commas; undefined without one. */
  readonly header: (name: 'x-forwarded-for' | 'x-forwarded-proto' | 'forwarded') => string | undefined;
}

interface Hop {
  /** Undefined: it was not told, or is no address. */
  readonly address: string | undefined;
  readonly proto: string | undefined;
}

/** @param text `ADDRESS/PREFIX`, or one address. @returns a sentence for what is neither. */
export function parseProxyNetwork(text: string): ProxyNetwork | string {
  const [, literal = '', digits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(literal);
  if (version === 0 || literal.includes('%'))
    return 'expected ADDRESS/PREFIX, such as 10.1.0.0/16 or fd00::1';
  const bits = version === 4 ? 32 : 128;
  const prefix = digits === undefined ? bits : Number(digits);
  if (prefix > bits) return `the prefix is 1 to ${bits}`;
  // Then whoever asks could say who they are.
  if (prefix === 0) return 'everybody would be trusted; give the addresses of the proxies';
  return { address: literal, prefix };
}

/** See the module comment. */
export class TrustedProxies {
  readonly #networks = new BlockList();

  /** @param networks None: no header counts. */
  constructor(networks: readonly ProxyNetwork[]) {
    for (const { address, prefix } of networks)
      this.#networks.addSubnet(address, prefix, isIPv6(address) ? 'ipv6' : 'ipv4');
  }

  /** Whether an address, as sockets have it, is one of theirs. */
  has(address: string): boolean {
    return this.#isTrusted(addressIn(address) ?? address);
  }

  /** Who a request comes from. */
  clientOf({ peer, isTls, header }: ForwardedRequest): HttpClient {
    const own = { address: addressIn(peer) ?? peer, isSecure: isTls };
    if (!this.#isTrusted(own.address)) return own;
    const listed = header('x-forwarded-for');
    const forwarded = header('forwarded');
    const proto = header('x-forwarded-proto');
    const hops = [
      ...(listed === undefined && proto === undefined ? [] : [listedHops(listed, proto)]),
      ...(forwarded === undefined ? [] : [forwardedHops(forwarded)]),
    ];
    const [one = own, other = one] = hops.map((those) => this.#client(own, those));
    // A proxy writes one of the headers, and lets through what its client said in the other.
    return one.address === other.address
      ? { address: one.address, isSecure: one.isSecure || other.isSecure }
      : own;
  }

  /** @param hops The nearest first. */
  #client(own: HttpClient, hops: readonly Hop[]): HttpClient {
    let client = own;
    for (const { address, proto } of hops) {
      const isSecure = proto === undefined ? client.isSecure : proto.toLowerCase() === 'https';
      // Who does not say from whom it came is who it came from.
      if (address === undefined) return { address: client.address, isSecure };
      client = { address, isSecure };
      if (!this.#isTrusted(address)) break;
    }
    return client;
  }

  #isTrusted(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#networks.check(address, version === 6 ? 'ipv6' : 'ipv4');
  }
}

/** @returns the nearest first. */
function listedHops(listed: string | undefined, proto: string | undefined): readonly Hop[] {
  const addresses = parts(listed);
  const protos = parts(proto);
  // Some proxies add to both headers, some set one value.
  return Array.from({ length: Math.max(addresses.length, protos.length > 0 ? 1 : 0) }, (_, index) => ({
    address: addressIn(addresses[index] ?? ''),
    proto: protos[Math.min(index, protos.length - 1)],
  }));
}

function parts(header: string | undefined): readonly string[] {
  return header === undefined
    ? []
    : header
        .split(',')
        .map((part) => part.trim())
        .reverse();
}

/** RFC 7239 §4; what has another form is a hop that says nothing. @returns the nearest first. */
function forwardedHops(header: string): readonly Hop[] {
  return unquotedParts(header, ',')
    .map((element) => {
      const pairs = unquotedParts(element, ';').map((pair) =>
        /^\s*([\w!#$%&'*+.^`|~-]+)=(.*?)\s*$/.exec(pair),
      );
      const of = (wanted: string): string | undefined => {
        const value = pairs.find((pair) => pair?.[1]?.toLowerCase() === wanted)?.[2];
        return value?.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;
      };
      return { address: addressIn(of('for') ?? ''), proto: of('proto') };
    })
    .reverse();
}

/** Splits where it is not within quotes. */
function unquotedParts(text: string, separator: ',' | ';'): readonly string[] {
  const found = [''];
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] as string;
    if (letter === '"') isQuoted = !isQuoted;
    if (letter === separator && !isQuoted) {
      found.push('');
      continue;
    }
    const escaped = isQuoted && letter === '\\' ? (text[++at] ?? '') : '';
    found[found.length - 1] += letter + escaped;
  }
  return found;
}

/** The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`; undefined for anything else. */
function addressIn(text: string): string | undefined {
  const [, bracketed, four] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(text) ?? [];
  const address = (bracketed ?? four ?? text).replace(/%.*$/, '');
  if (isIP(address) === 0 || (bracketed !== undefined && !isIPv6(address))) return undefined;
  return isIPv6(address) ? canonical(address) : address;
}

/** One form of each address; an IPv4-mapped one is its IPv4 address. */
function canonical(address: string): string {
  const { hostname } = new URL(`http://[${address}]/`);
  const six = hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(six) ?? [];
  if (high === undefined || low === undefined) return six;
  const value = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}
