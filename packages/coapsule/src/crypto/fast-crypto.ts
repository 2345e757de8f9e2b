/**
 * `CryptoProvider` for many small messages: AES-CCM and SHA-256 in WebAssembly, everything else from `node:crypto`.
 *
 * A call of `node:crypto` costs several microseconds before a byte is encrypted; a record of CoAP in WebAssembly takes less
 * than one. Where the modules cannot be used, `node:crypto` does their work too: `cryptoInUse` says so, and why.
 *
 * @module
 */

import type {
  AeadAlgorithm,
  AeadKey,
  CryptoProvider,
  HashAlgorithm,
  MacKey,
  RunningHash,
} from '../core/foundation/crypto-provider.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { AesCcmKey, isCcm } from './aes-ccm/aes-ccm-key.ts';
import { type AesCcmModule, instantiateAesCcm } from './aes-ccm/aes-ccm-module.ts';
import { knowsItsAnswers } from './aes-ccm/known-answers.ts';
import { nodeCrypto } from './node-crypto.ts';
import { hashesAsKnown } from './sha-256/known-hashes.ts';
import { HmacSha256, lengthOf, Sha256, sha256 } from './sha-256/sha-256.ts';
import { instantiateSha256, type Sha256Module } from './sha-256/sha-256-module.ts';

/** What AES-CCM and SHA-256 are made with in this thread. */
export interface CryptoInUse {
  readonly implementation: 'webassembly' | 'node:crypto';
  /** Why it is not WebAssembly; else undefined. */
  readonly reason: string | undefined;
}

/** Messages up to this length in bytes are hashed in WebAssembly; for longer ones the CPU's instructions make up for the start. */
const longestDigest = 2048;

interface Modules {
  readonly aesCcm: AesCcmModule;
  readonly sha256: Sha256Module;
}

interface Choice extends CryptoInUse {
  readonly provider: CryptoProvider;
}

let choice: Choice | undefined;

/**
 * The provider that clients and servers use. The modules are compiled and tested at the first call in a thread.
 *
 * `COAPSULE_CRYPTO=node` in the environment makes it `nodeCrypto`.
 *
 * @throws ApiMisuseError when `COAPSULE_CRYPTO` has another value.
 */
export function fastCrypto(): CryptoProvider {
  choice ??= choose(process.env, instantiateModules);
  return choice.provider;
}

/**
 * Whether AES-CCM and SHA-256 are fast in this thread, and why not.
 *
 * @throws ApiMisuseError as `fastCrypto`.
 */
export function cryptoInUse(): CryptoInUse {
  choice ??= choose(process.env, instantiateModules);
  const { implementation, reason } = choice;
  return { implementation, reason };
}

/** @throws Error when this Node has no WebAssembly with SIMD. */
export function instantiateModules(): Modules {
  return { aesCcm: instantiateAesCcm(), sha256: instantiateSha256() };
}

/**
 * Chooses by the environment and by what the modules are able to.
 *
 * @param instantiate Makes the modules, or throws with the reason why there are none.
 * @throws ApiMisuseError for a `COAPSULE_CRYPTO` that is neither empty nor `node`.
 */
export function choose(
  { COAPSULE_CRYPTO = '' }: Readonly<Record<string, string | undefined>>,
  instantiate: () => Modules,
): Choice {
  if (COAPSULE_CRYPTO === 'node') return fallback('COAPSULE_CRYPTO is "node"');
  if (COAPSULE_CRYPTO !== '') {
    throw new ApiMisuseError(
      `COAPSULE_CRYPTO: got "${COAPSULE_CRYPTO}", expected "node", or unset for the faster of both`,
    );
  }
  let modules: Modules;
  try {
    modules = instantiate();
  } catch (error) {
    return fallback(`WebAssembly with SIMD is missing: ${(error as Error).message}`);
  }
  if (!knowsItsAnswers(modules.aesCcm)) return fallback('the module of AES-CCM failed its self-test');
  if (!hashesAsKnown(modules.sha256)) return fallback('the module of SHA-256 failed its self-test');
  return { provider: withModules(modules), implementation: 'webassembly', reason: undefined };
}

function fallback(reason: string): Choice {
  return { provider: nodeCrypto, implementation: 'node:crypto', reason };
}

function withModules({ aesCcm, sha256: hashing }: Modules): CryptoProvider {
  return {
    ...nodeCrypto,
    aead(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey {
      return isCcm(algorithm) ? new AesCcmKey(aesCcm, algorithm, key) : nodeCrypto.aead(algorithm, key);
    },
    hash(algorithm: HashAlgorithm): RunningHash {
      return algorithm === 'SHA-256' ? new Sha256(hashing) : nodeCrypto.hash(algorithm);
    },
    digest(algorithm: HashAlgorithm, ...parts: readonly Uint8Array[]): Uint8Array {
      return algorithm === 'SHA-256' && lengthOf(parts) <= longestDigest
        ? sha256(hashing, parts)
        : nodeCrypto.digest(algorithm, ...parts);
    },
    hmac(algorithm: HashAlgorithm, key: Uint8Array): MacKey {
      return algorithm === 'SHA-256' ? new HmacSha256(hashing, key) : nodeCrypto.hmac(algorithm, key);
    },
  };
}
