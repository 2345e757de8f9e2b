/**
 * Ephemeral Diffie-Hellman on `node:crypto`: P-256 and P-384 (RFC 8422 §5.4), X25519 (RFC 7748 §6.1).
 *
 * @module
 */

import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type ECDH,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { concatBytes } from '../core/foundation/bytes.ts';
import type { KeyShare, NamedGroup } from '../core/foundation/crypto-provider.ts';
import { plainBytes } from './plain-bytes.ts';

const curves = {
  secp256r1: { name: 'prime256v1', pointLength: 65 },
  secp384r1: { name: 'secp384r1', pointLength: 97 },
} as const;

/** DER of SubjectPublicKeyInfo and PKCS #8 up to the 32 raw bytes of an X25519 key (RFC 8410 §4, §7). */
const x25519PublicPrefix = Uint8Array.of(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0);
const x25519PrivatePrefix = Uint8Array.of(
  0x30,
  0x2e,
  2,
  1,
  0,
  0x30,
  5,
  6,
  3,
  0x2b,
  0x65,
  0x6e,
  4,
  0x22,
  4,
  0x20,
);

/** A fresh key pair. Its `agree` never throws for bytes of a peer. */
export function nodeKeyShare(group: NamedGroup): KeyShare {
  if (group === 'x25519') {
    const { privateKey, publicKey } = generateKeyPairSync('x25519');
    return new X25519KeyShare(privateKey, publicKey);
  }
  const ecdh = createECDH(curves[group].name);
  ecdh.generateKeys();
  return new EcdhKeyShare(ecdh, curves[group].pointLength);
}

/**
 * The key pair of a known private key, for test vectors.
 *
 * @param privateKey 32 bytes (48 for secp384r1), big-endian; for x25519 as in RFC 7748 §5.
 */
export function nodeKeyShareOf(group: NamedGroup, privateKey: Uint8Array): KeyShare {
  if (group === 'x25519') {
    const key = Buffer.from(concatBytes(x25519PrivatePrefix, privateKey));
    const pair = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
    return new X25519KeyShare(pair, createPublicKey(pair));
  }
  const ecdh = createECDH(curves[group].name);
  ecdh.setPrivateKey(privateKey);
  return new EcdhKeyShare(ecdh, curves[group].pointLength);
}

class EcdhKeyShare implements KeyShare {
  readonly publicKey: Uint8Array;
  readonly #ecdh: ECDH;

  constructor(ecdh: ECDH, pointLength: number) {
    this.#ecdh = ecdh;
    this.publicKey = plainBytes(ecdh.getPublicKey());
    if (this.publicKey.length !== pointLength)
      throw new RangeError(`a public key of ${this.publicKey.length} bytes`);
  }

  agree(peerPublicKey: Uint8Array): Uint8Array | undefined {
    // RFC 8422 §5.4.1: the uncompressed form only. OpenSSL would take the others too.
    if (peerPublicKey.length !== this.publicKey.length || peerPublicKey[0] !== 4) return undefined;
    try {
      // Checks that the point is on the curve.
      return plainBytes(this.#ecdh.computeSecret(peerPublicKey));
    } catch {
      return undefined;
    }
  }
}

class X25519KeyShare implements KeyShare {
  readonly publicKey: Uint8Array;
  readonly #privateKey: KeyObject;

  constructor(privateKey: KeyObject, publicKey: KeyObject) {
    this.#privateKey = privateKey;
    const der = publicKey.export({ format: 'der', type: 'spki' });
    this.publicKey = plainBytes(der).slice(x25519PublicPrefix.length);
  }

  agree(peerPublicKey: Uint8Array): Uint8Array | undefined {
    if (peerPublicKey.length !== 32) return undefined;
    try {
      const key = Buffer.from(concatBytes(x25519PublicPrefix, peerPublicKey));
      const publicKey = createPublicKey({ key, format: 'der', type: 'spki' });
      const secret = plainBytes(diffieHellman({ privateKey: this.#privateKey, publicKey }));
      let anyBit = 0;
      for (const byte of secret) anyBit |= byte;
      // RFC 7748 §6.1, RFC 8422 §5.11: an all-zero secret means a point of small order.
      return anyBit === 0 ? undefined : secret;
    } catch {
      return undefined;
    }
  }
}
