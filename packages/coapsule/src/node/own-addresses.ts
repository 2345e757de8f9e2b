/**
 * The addresses of this machine, as the system has them now.
 *
 * @module
 */

import { networkInterfaces } from 'node:os';

/** IP literals of all interfaces, loopback included, without zones. */
export function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((interfaces) => interfaces ?? []);
  return new Set(all.map(({ address }) => address.replace(/%.*$/s, '')));
}
