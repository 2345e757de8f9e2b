/**
 * What the module of SHA-256 is asked before it is used.
 *
 * @module
 */

import { toHex } from '../../core/foundation/bytes.ts';
import { encodeUtf8 } from '../../core/foundation/utf8.ts';
import { HmacSha256, Sha256 } from './sha-256.ts';
import type { Sha256Module } from './sha-256-module.ts';

/** Whether the module gives the answers that it should. */
export function hashesAsKnown(module: Sha256Module): boolean {
  // FIPS 180-4, two blocks (RFC 6234 §8.5, TEST1).
  const running = new Sha256(module);
  running.update(encodeUtf8('abcdbcdecdefdefgefghfghi'));
  running.update(encodeUtf8('ghijhijkijkljklmklmnlmnomnopnopq'));
  // RFC 4231 §4.3.
  const mac = new HmacSha256(module, encodeUtf8('Jefe')).sign(encodeUtf8('what do ya want for nothing?'));
  return (
    toHex(running.digest()) === '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1' &&
    toHex(mac) === '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'
  );
}
