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
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { concatBytes, fromHex } from '../core/foundation/bytes.ts';
import type { KeyShare, NamedGroup } from '../core/foundation/crypto-provider.ts';
import { plainBytes } from './plain-bytes.ts';
import { publicKeyObject } from './public-key-object.ts';

interface Group {
  /** DER of a SubjectPublicKeyInfo up to the bytes that a handshake has of the key (RFC 5480 §2, RFC 8410 §4). */
  readonly prefix: Uint8Array;
  /** Bytes of a public key in a handshake. */
  readonly length: number;
  readonly generate: () => { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  /** As in a JSON Web Key. */
  readonly curve: string;
  /** Of `createECDH`; `undefined` for the group that has no points. */
  readonly name: string | undefined;
}

const groups: Readonly<Record<NamedGroup, Group>> = {
  secp256r1: {
    prefix: bytesOf('3059301306072a8648ce3d020106082a8648ce3d030107034200'),
    length: 65,
    generate: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    curve: 'P-256',
    name: 'prime256v1',
  },
  secp384r1: {
    prefix: bytesOf('3076301006072a8648ce3d020106052b81040022036200'),
    length: 97,
    generate: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    curve: 'P-384',
    name: 'secp384r1',
  },
  x25519: {
    prefix: bytesOf('302a300506032b656e032100'),
    length: 32,
    generate: () => generateKeyPairSync('x25519'),
    curve: 'X25519',
    name: undefined,
  },
};

/** A fresh key pair. Its `agree` never throws for bytes of a peer. */
export function nodeKeyShare(group: NamedGroup): KeyShare {
  const { privateKey, publicKey } = groups[group].generate();
  return new NodeKeyShare(groups[group], privateKey, publicKey);
}

/**
 * The key pair of a known private key, for test vectors.
 *
 * @param privateKey 32 bytes (48 for secp384r1), big-endian; for x25519 as in RFC 7748 §5.
 */
export function nodeKeyShareOf(group: NamedGroup, privateKey: Uint8Array): KeyShare {
  const pair = createPrivateKey(privateKeyInput(groups[group], privateKey));
  return new NodeKeyShare(groups[group], pair, createPublicKey(pair));
}

class NodeKeyShare implements KeyShare {
  readonly publicKey: Uint8Array;
  readonly #group: Group;
  readonly #privateKey: KeyObject;

  constructor(group: Group, privateKey: KeyObject, publicKey: KeyObject) {
    this.#group = group;
    this.#privateKey = privateKey;
    // Less than half of what DER takes.
    const { x = '', y } = publicKey.export({ format: 'jwk' });
    const coordinates = [x, y ?? ''].map((text) => plainBytes(Buffer.from(text, 'base64url')));
    this.publicKey = concatBytes(Uint8Array.from(group.name === undefined ? [] : [4]), ...coordinates);
    if (this.publicKey.length !== group.length) {
      throw new RangeError(`a public key of ${this.publicKey.length} bytes`);
    }
  }

  agree(peerPublicKey: Uint8Array): Uint8Array | undefined {
    const { prefix, length, name } = this.#group;
    if (peerPublicKey.length !== length) return undefined;
    // RFC 8422 §5.4.1: the uncompressed form only. OpenSSL would take the others too.
    if (name !== undefined && peerPublicKey[0] !== 4) return undefined;
    try {
      // Checks that a point is on the curve.
      const publicKey = publicKeyObject(concatBytes(prefix, peerPublicKey));
      const secret = plainBytes(diffieHellman({ privateKey: this.#privateKey, publicKey }));
      let anyBit = 0;
      for (const byte of secret) anyBit |= byte;
      // RFC 7748 §6.1, RFC 8422 §5.11: an all-zero secret of X25519 means a point of small order.
      return anyBit === 0 && name === undefined ? undefined : secret;
    } catch {
      return undefined;
    }
  }
}

/** DER of PKCS #8 up to the 32 raw bytes of an X25519 key (RFC 8410 §7). */
const x25519PrivatePrefix = bytesOf('302e020100300506032b656e04220420');

function privateKeyInput(
  { name, curve }: Group,
  privateKey: Uint8Array,
): Parameters<typeof createPrivateKey>[0] {
  if (name === undefined) {
    const key = Buffer.from(concatBytes(x25519PrivatePrefix, privateKey));
    return { key, format: 'der', type: 'pkcs8' };
  }
  const ecdh = createECDH(name);
  ecdh.setPrivateKey(privateKey);
  const point = ecdh.getPublicKey();
  const half = (point.length - 1) / 2;
  const [x, y, d] = [point.subarray(1, 1 + half), point.subarray(1 + half), Buffer.from(privateKey)].map(
    (bytes) => bytes.toString('base64url'),
  ) as [string, string, string];
  return { key: { kty: 'EC', crv: curve, x, y, d }, format: 'jwk' };
}

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) as Uint8Array;
}
