/**
 * New private keys for signatures, and their text form.
 *
 * @module
 */

import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

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

/**
 * Reads a private key: PKCS #8, SEC 1 or PKCS #1, PEM (of a file that may hold more) or DER.
 *
 * @throws the error of Node when there is none, or the passphrase is missing or wrong.
 */
export function readPrivateKey(bytes: Uint8Array, passphrase: string | undefined): KeyObject {
  const secret = passphrase === undefined ? {} : { passphrase };
  // DER: every structure here is a SEQUENCE.
  if (bytes[0] !== 0x30) {
    const text = Buffer.from(bytes).toString('latin1');
    const block = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?-----END \1-----/.exec(text)?.[0] ?? text;
    return createPrivateKey({ key: block, format: 'pem', ...secret });
  }
  const key = Buffer.from(bytes);
  for (const type of ['sec1', 'pkcs1'] as const) {
    try {
      return createPrivateKey({ key, format: 'der', type });
    } catch {
      // The next one.
    }
  }
  return createPrivateKey({ key, format: 'der', type: 'pkcs8', ...secret });
}
