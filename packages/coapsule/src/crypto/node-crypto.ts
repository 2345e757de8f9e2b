/**
 * `CryptoProvider` from `node:crypto`. Keys become KeyObjects once and stay so.
 *
 * @module
 */

import { createHash, type Hash, hash } from 'node:crypto';
import { concatBytes, noBytes } from '../core/foundation/bytes.ts';
import type {
  AeadAlgorithm,
  AeadKey,
  CryptoProvider,
  HashAlgorithm,
  KeyShare,
  MacKey,
  NamedGroup,
  PublicKey,
  RunningHash,
} from '../core/foundation/crypto-provider.ts';
import { isCcm } from './aes-ccm/aes-ccm-key.ts';
import { nodeAead } from './node-aead.ts';
import { NodeCcmKey } from './node-ccm.ts';
import { nodeHmac } from './node-hmac.ts';
import { nodeKeyShare } from './node-key-share.ts';
import { nodePublicKey } from './node-signature.ts';
import { plainBytes } from './plain-bytes.ts';

const hashNames: Readonly<Record<HashAlgorithm, string>> = {
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
};

/** The cryptography of Node.js, which is that of its OpenSSL. Stateless. */
export const nodeCrypto: CryptoProvider = {
  aead(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey {
    return isCcm(algorithm) ? new NodeCcmKey(algorithm, key) : nodeAead(algorithm, key);
  },
  hash(algorithm: HashAlgorithm): RunningHash {
    return new NodeRunningHash(createHash(hashNames[algorithm]));
  },
  digest(algorithm: HashAlgorithm, ...parts: readonly Uint8Array[]): Uint8Array {
    // In one call: a `Hash` object costs more than what it hashes here, and waits for the garbage collector.
    const [first = noBytes] = parts;
    const bytes = parts.length === 1 ? first : concatBytes(...parts);
    return plainBytes(hash(hashNames[algorithm], bytes, 'buffer'));
  },
  hmac(algorithm: HashAlgorithm, key: Uint8Array): MacKey {
    return nodeHmac(algorithm, key);
  },
  keyShare(group: NamedGroup): KeyShare {
    return nodeKeyShare(group);
  },
  publicKey(spki: Uint8Array): PublicKey | undefined {
    return nodePublicKey(spki);
  },
};

class NodeRunningHash implements RunningHash {
  readonly #hash: Hash;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  digest(): Uint8Array {
    // `digest` ends a Node hash, so it is called on a copy.
    return plainBytes(this.#hash.copy().digest());
  }
}
