/**
 * Credentials of a DTLS pair, for tests: raw public keys and certificates of each type of key.
 *
 * @module
 */

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { EndpointCredentials } from '../../src/core/dtls/credentials.ts';
import type { PublicKeyType, SigningKey } from '../../src/core/foundation/crypto-provider.ts';
import { nodeSigningKey } from '../../src/crypto/node-signature.ts';

const made = new Map<string, KeyObject>();

/** The private key of a name and type; the same one at each call, since RSA keys take long to make. */
export function privateKeyOf(name: string, type: PublicKeyType): KeyObject {
  const known = made.get(`${name} ${type}`);
  if (known !== undefined) return known;
  const key = newPrivateKey(type);
  made.set(`${name} ${type}`, key);
  return key;
}

export function signingKeyOf(name: string, type: PublicKeyType): SigningKey {
  return nodeSigningKey(privateKeyOf(name, type));
}

function newPrivateKey(type: PublicKeyType): KeyObject {
  switch (type) {
    case 'ec-secp256r1':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    case 'ec-secp384r1':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey;
    case 'rsa':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  }
}

/** Raw public keys on both sides. */
export function rawPublicKeyCredentials(
  name: 'client' | 'server',
  type: PublicKeyType = 'ec-secp256r1',
): EndpointCredentials {
  return {
    psk: false,
    rawPublicKey: { key: signingKeyOf(name, type) },
    peerTypes: ['raw-public-key'],
    clientAuthentication: name === 'server' ? 'required' : 'none',
  };
}
