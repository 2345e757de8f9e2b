/**
 * `CryptoProvider` for many small records: AES-CCM in WebAssembly, everything else from `node:crypto`.
 *
 * A call of `node:crypto` costs several microseconds before a byte is encrypted; a record of CoAP in WebAssembly takes less
 * than one. Where the module cannot be used, `node:crypto` does its work too: `cryptoInUse` says so, and why.
 *
 * @module
 */

import type { AeadAlgorithm, AeadKey, CryptoProvider } from '../core/foundation/crypto-provider.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { AesCcmKey, type CcmAlgorithm, ccmAlgorithms } from './aes-ccm/aes-ccm-key.ts';
import { type AesCcmModule, instantiateAesCcm } from './aes-ccm/aes-ccm-module.ts';
import { knowsItsAnswers } from './aes-ccm/known-answers.ts';
import { nodeCrypto } from './node-crypto.ts';

/** What AES-CCM is made with in this thread. */
export interface CryptoInUse {
  readonly aesCcm: 'webassembly' | 'node:crypto';
  /** Why it is not WebAssembly; else undefined. */
  readonly reason: string | undefined;
}

interface Choice extends CryptoInUse {
  readonly provider: CryptoProvider;
}

let choice: Choice | undefined;

/**
 * The provider that clients and servers use. The module is compiled and tested at the first call in a thread.
 *
 * `COAPSULE_CRYPTO=node` in the environment makes it `nodeCrypto`.
 *
 * @throws ApiMisuseError when `COAPSULE_CRYPTO` has another value.
 */
export function fastCrypto(): CryptoProvider {
  choice ??= choose(process.env, instantiateAesCcm);
  return choice.provider;
}

/**
 * Whether AES-CCM is fast in this thread, and why not.
 *
 * @throws ApiMisuseError as `fastCrypto`.
 */
export function cryptoInUse(): CryptoInUse {
  choice ??= choose(process.env, instantiateAesCcm);
  const { aesCcm, reason } = choice;
  return { aesCcm, reason };
}

/**
 * Chooses by the environment and by what the module is able to.
 *
 * @param instantiate Makes the module, or throws with the reason why there is none.
 * @throws ApiMisuseError for a `COAPSULE_CRYPTO` that is neither empty nor `node`.
 */
export function choose(
  { COAPSULE_CRYPTO = '' }: Readonly<Record<string, string | undefined>>,
  instantiate: () => AesCcmModule,
): Choice {
  if (COAPSULE_CRYPTO === 'node') return fallback('COAPSULE_CRYPTO is "node"');
  if (COAPSULE_CRYPTO !== '') {
    throw new ApiMisuseError(
      `COAPSULE_CRYPTO: got "${COAPSULE_CRYPTO}", expected "node", or unset for the faster of both`,
    );
  }
  let module: AesCcmModule;
  try {
    module = instantiate();
  } catch (error) {
    return fallback(`WebAssembly with SIMD is missing: ${(error as Error).message}`);
  }
  if (!knowsItsAnswers(module)) return fallback('the WebAssembly module failed its self-test');
  return { provider: withAesCcm(module), aesCcm: 'webassembly', reason: undefined };
}

function fallback(reason: string): Choice {
  return { provider: nodeCrypto, aesCcm: 'node:crypto', reason };
}

function withAesCcm(module: AesCcmModule): CryptoProvider {
  return {
    ...nodeCrypto,
    aead(algorithm: AeadAlgorithm, key: Uint8Array): AeadKey {
      return isCcm(algorithm) ? new AesCcmKey(module, algorithm, key) : nodeCrypto.aead(algorithm, key);
    },
  };
}

function isCcm(algorithm: AeadAlgorithm): algorithm is CcmAlgorithm {
  return Object.hasOwn(ccmAlgorithms, algorithm);
}
