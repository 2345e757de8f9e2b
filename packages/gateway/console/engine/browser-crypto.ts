/**
 * Cryptography for the library's own engine in a page: AES-CCM, SHA-256, P-256 and X25519, in plain TypeScript.
 *
 * It stands in for the library's `fast-crypto.ts` when the console is built, which is made of WebAssembly and `node:crypto`: a strict
 * Content-Security-Policy compiles no WebAssembly, and WebCrypto has neither CCM nor anything synchronous. What the console's suites do
 * not use is not here, and says so. Only demonstrations run on it; no byte of it reaches a network.
 *
 * @module
 */

import type { CryptoProvider } from 'coapsule/core';
import { AesCcm } from './aes-ccm.ts';
import { isPoint, publicPoint, randomScalar, sharedSecret, sign, verify } from './p-256.ts';
import { hmacSha256, Sha256, sha256 } from './sha-256.ts';
import { x25519Public, x25519Secret } from './x25519.ts';

type PublicKey = NonNullable<ReturnType<CryptoProvider['publicKey']>>;

/** A private key on P-256 with its public half, as the library's credentials have it. */
export interface BrowserSigningKey {
  readonly publicKey: PublicKey;
  sign(scheme: string, ...parts: readonly Uint8Array[]): Uint8Array;
}

/** SubjectPublicKeyInfo of P-256 up to the point, and the form of the point (RFC 5480 §2). */
const spkiPrefix = Uint8Array.of(
  ...[0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
  ...[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00],
);

const provider: CryptoProvider = {
  aead(algorithm, key) {
    if (!algorithm.includes('CCM')) throw missing(algorithm);
    return new AesCcm(key, algorithm.endsWith('_8') ? 8 : 16);
  },
  hash(algorithm) {
    return only(algorithm, new Sha256());
  },
  digest(algorithm, ...parts) {
    return only(algorithm, sha256(...parts));
  },
  hmac(algorithm, key) {
    const kept = key.slice();
    return only(algorithm, { sign: (...parts) => hmacSha256(kept, ...parts) });
  },
  keyShare(group) {
    if (group === 'x25519') {
      const secret = crypto.getRandomValues(new Uint8Array(32));
      return { publicKey: x25519Public(secret), agree: (peer) => x25519Secret(secret, peer) };
    }
    if (group !== 'secp256r1') throw missing(group);
    const privateKey = randomScalar();
    return { publicKey: publicPoint(privateKey), agree: (peer) => sharedSecret(privateKey, peer) };
  },
  publicKey(spki) {
    const isKnown = spkiPrefix.every((byte, at) => spki[at] === byte);
    const point = spki.slice(spkiPrefix.length);
    return isKnown && isPoint(point) ? publicKeyOf(point) : undefined;
  },
};

/** Named as the function that it stands in for. */
export function fastCrypto(): CryptoProvider {
  return provider;
}

/**
 * A key that signs.
 *
 * @param privateKey 32 bytes.
 */
export function browserSigningKey(privateKey: Uint8Array): BrowserSigningKey {
  return {
    publicKey: publicKeyOf(publicPoint(privateKey)),
    sign(scheme, ...parts) {
      if (scheme !== 'ecdsa_sha256') throw missing(scheme);
      return sign(privateKey, sha256(...parts));
    },
  };
}

function publicKeyOf(point: Uint8Array): PublicKey {
  return {
    type: 'ec-secp256r1',
    bits: 256,
    spki: new Uint8Array([...spkiPrefix, ...point]),
    verify: (scheme, signature, ...parts) =>
      scheme === 'ecdsa_sha256' && verify(point, sha256(...parts), signature),
  };
}

function only<T>(algorithm: string, value: T): T {
  if (algorithm !== 'SHA-256') throw missing(algorithm);
  return value;
}

function missing(what: string): Error {
  return new Error(
    `${what} is not in the console's own cryptography, which has AES-CCM, SHA-256, P-256 and X25519`,
  );
}
