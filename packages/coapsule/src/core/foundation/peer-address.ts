/**
 * Where datagrams come from and go to.
 *
 * @module
 */

/**
 * A transport address. Adapters make them; the core compares `key` and never looks inside `host`.
 */
export interface PeerAddress {
  /** Unique and canonical for host and port on this transport, such as `[::1]:5683` or `192.0.2.1:5683`. */
  readonly key: string;
  /** IP literal without brackets (IPv4-mapped IPv6 addresses are written as IPv4), or the name of a line. */
  readonly host: string;
  /** 1 … 65535, or 0 for a transport without ports. */
  readonly port: number;
}

/** The address of an IP literal and port; an IPv4-mapped IPv6 literal is its IPv4 address. */
export function ipAddress(literal: string, port: number): PeerAddress {
  const host = mappedIpv4.exec(literal)?.[1] ?? literal;
  return { key: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`, host, port };
}

const mappedIpv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** The address with this key, if it is one that `ipAddress` makes. */
export function ipAddressOfKey(key: string): PeerAddress | undefined {
  const [, six, four, port] = ipKey.exec(key) ?? [];
  const host = six ?? four;
  return host === undefined ? undefined : { key, host, port: Number(port) };
}

const ipKey = /^(?:\[([^\]]+)\]|([^[\]:]+)):(\d{1,5})$/;
