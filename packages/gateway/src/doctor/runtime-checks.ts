/**
 * Checks of what runs the program: Node, its cryptography, randomness, the clock.
 *
 * @module
 */

import { getCiphers, randomBytes } from 'node:crypto';
import { cryptoInUse } from 'coapsule/node';
import { type Check, fine, notice, trouble } from './check.ts';

/** The first Node that has all that is needed (package.json says the same). */
const leastNode = [24, 11] as const;

/** When this was written: a clock before is wrong, and so are all certificates by it. */
const leastTime = Date.parse('2026-01-01T00:00:00Z');
const latestTime = Date.parse('2100-01-01T00:00:00Z');

/** By the version, such as `24.11.0`. */
export function nodeCheck(version: string): Check {
  return {
    name: 'Node',
    async run() {
      const [major = 0, minor = 0] = version.split('.').map(Number);
      const isEnough = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1]);
      return isEnough
        ? fine(version)
        : trouble(version, `install Node ${leastNode.join('.')} or later: the gateway needs its SQLite`);
    },
  };
}

/** The fast path, or what stands in its place. */
export const cryptographyCheck: Check = {
  name: 'cryptography',
  async run() {
    if (!getCiphers().includes('aes-128-ccm')) {
      return trouble('OpenSSL of this Node has no AES-CCM', 'use a build of Node with its own OpenSSL');
    }
    const { implementation, reason } = cryptoInUse();
    return reason === undefined
      ? fine(`records by ${implementation}`)
      : notice(`records by ${implementation}: ${reason}`, 'all works, more slowly');
  },
};

/** Whether random bytes differ. */
export const randomnessCheck: Check = {
  name: 'randomness',
  async run() {
    const [one, other] = [randomBytes(32), randomBytes(32)];
    return one.equals(other)
      ? trouble(
          'the system gives the same bytes twice',
          'no key that is made here is secret: see to the system',
        )
      : fine('32 bytes at once');
  },
};

/** By the time of the system. */
export function clockCheck(wallTimeMs: number): Check {
  return {
    name: 'clock',
    async run() {
      const text = new Date(wallTimeMs).toISOString();
      if (wallTimeMs < leastTime || wallTimeMs > latestTime) {
        return trouble(
          text,
          'set the clock (NTP): certificates, lifetimes and the times of readings depend on it',
        );
      }
      return fine(text);
    },
  };
}
