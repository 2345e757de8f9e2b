/**
 * Links that log somebody in once: `http://127.0.0.1:8080/console/login#TOKEN`. What stands behind # never leaves the browser by
 * itself: it is in no request line, and so in no log of a server in between.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { ConsoleTable } from '../store/console-table.ts';
import { boundAddress } from './bound-address.ts';

/** How long a link counts, in ms. */
export const linkLifetimeMs: number = 15 * 60_000;

/** Makes a link that counts from now on. @param base `http://host:port`. */
export function newLoginLink(users: ConsoleTable, base: string, nowMs: number): string {
  // 256 bits: nobody guesses one while it counts.
  const token = randomBytes(32).toString('base64url');
  users.addLink(digestOf(token), nowMs + linkLifetimeMs, nowMs);
  return `${base}/console/login#${token}`;
}

/** Uses a link up. @returns whether it counted. */
export function takeLoginLink(users: ConsoleTable, token: string, nowMs: number): boolean {
  return users.takeLink(digestOf(token), nowMs);
}

/** @param address `host:port` of the HTTP endpoint; on all addresses this machine is meant. */
export function consoleBase(address: string, isTls: boolean): string {
  const { host, port, isEveryAddress } = boundAddress(address);
  const here = !isEveryAddress ? host : host === '[::]' ? '[::1]' : '127.0.0.1';
  return `${isTls ? 'https' : 'http'}://${here}:${port}`;
}

function digestOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}
