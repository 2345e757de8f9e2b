/**
 * What the system calls a network interface where multicast is sent or joined: its address for IPv4, `::%name` for IPv6.
 *
 * @module
 */

import { networkInterfaces } from 'node:os';

/** The form of an interface's name for one family; for IPv4 it may be an address. `undefined` when there is none. */
export function interfaceAddress(name: string, family: 'IPv4' | 'IPv6'): string | undefined {
  const interfaces = networkInterfaces();
  const own = interfaces[name]?.find((one) => one.family === family);
  if (own !== undefined) return family === 'IPv6' ? `::%${name}` : own.address;
  const hasAddress = Object.values(interfaces).some((list) => list?.some(({ address }) => address === name));
  return family === 'IPv4' && hasAddress ? name : undefined;
}

/** The interfaces of this machine that are up. */
export function interfaceNames(): string[] {
  return Object.keys(networkInterfaces());
}
