/**
 * New private keys for signatures, and their text form.
 *
 * @module
 */

import { generateKeyPairSync, type KeyObject } from 'node:crypto';

/** Kinds of keys, by the names of the command line. */
export type KeyType = 'p256' | 'p384' | 'ed25519';

/** The names of `KeyType`. */
export const keyTypes: readonly KeyType[] = ['p256', 'p384', 'ed25519'];

/** A new private key. */
export function newPrivateKey(type: KeyType): KeyObject {
  switch (type) {
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey;
  }
}

/** PEM text of a private key in PKCS #8. */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}
