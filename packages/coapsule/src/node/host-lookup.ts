/**
 * Host names to addresses, by the resolver of the system.
 *
 * @module
 */

import { lookup } from 'node:dns/promises';

/** The addresses of a host name, in the order the system prefers; rejects with the system's error. */
export async function lookUpHost(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true, order: 'verbatim' });
  return found.map(({ address }) => address);
}
