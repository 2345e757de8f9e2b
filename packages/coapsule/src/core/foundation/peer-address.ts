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

/** The address of an IP literal and port. */
export function ipAddress(host: string, port: number): PeerAddress {
  return { key: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`, host, port };
}
