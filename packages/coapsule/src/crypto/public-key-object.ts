/**
 * Public keys of `node:crypto` out of the DER of a SubjectPublicKeyInfo.
 *
 * @module
 */

import { createPublicKey, type KeyObject } from 'node:crypto';

/**
 * Reads a key, by way of PEM (RFC 7468 §13): Node 24 throws and catches two exceptions of its own for each key that comes in
 * an object with `format` and `type`, which takes more time than reading it.
 *
 * @throws Error of OpenSSL, when it is none, or a point is not on its curve.
 */
export function publicKeyObject(spki: Uint8Array): KeyObject {
  const base64 = Buffer.from(spki.buffer, spki.byteOffset, spki.length).toString('base64');
  // RFC 7468 §2: lines of 64 characters.
  const lines = base64.replace(/.{64}(?=.)/g, '$&\n');
  return createPublicKey(`-----BEGIN PUBLIC KEY-----\n${lines}\n-----END PUBLIC KEY-----\n`);
}
