/**
 * From the pre-shared key to the keys of epoch 1, alike on both sides (RFC 4279 §2, RFC 5489 §2, RFC 7627 §4).
 *
 * @module
 */

import {
  extendedMasterSecret,
  keyBlock,
  masterSecret,
  pskPremasterSecret,
  verifyData,
} from '../key-schedule/prf-12.ts';
import { createEpochKeys, type EpochKeys } from '../record/epoch-keys.ts';
import type { HandshakeContext, HandshakeParameters } from './handshake-context.ts';

/** What a handshake derives once both sides have the key. */
export interface DerivedKeys {
  /** 48 bytes. */
  readonly masterSecret: Uint8Array;
  readonly client: EpochKeys;
  readonly server: EpochKeys;
}

/**
 * Derives the keys, and writes the key log line when the configuration asks for it.
 *
 * @param key 1 … 65535 bytes.
 * @param sharedSecret Of ECDHE_PSK; `undefined` for plain PSK.
 * @param sessionHash Hash of the messages up to and including ClientKeyExchange (RFC 7627 §3).
 */
export function deriveKeys(
  context: HandshakeContext,
  parameters: HandshakeParameters,
  key: Uint8Array,
  sharedSecret: Uint8Array | undefined,
  sessionHash: Uint8Array,
): DerivedKeys {
  const { crypto } = context;
  const { suite, clientRandom, serverRandom } = parameters;
  const premaster = pskPremasterSecret(key, sharedSecret);
  const master = parameters.extendedMasterSecret
    ? extendedMasterSecret(crypto, suite.hash, premaster, sessionHash)
    : masterSecret(crypto, suite.hash, premaster, clientRandom, serverRandom);
  const block = keyBlock(crypto, suite, master, clientRandom, serverRandom);
  context.logMasterSecret(clientRandom, master);
  return {
    masterSecret: master,
    client: createEpochKeys(crypto, suite, block.clientWriteKey, block.clientWriteIv),
    server: createEpochKeys(crypto, suite, block.serverWriteKey, block.serverWriteIv),
  };
}

/** verify_data of one side over the transcript as it is now, 12 bytes (RFC 5246 §7.4.9). */
export function finishedBody(
  context: HandshakeContext,
  parameters: HandshakeParameters,
  masterSecretBytes: Uint8Array,
  side: 'client' | 'server',
): Uint8Array {
  const { hash } = parameters.suite;
  return verifyData(context.crypto, hash, masterSecretBytes, side, context.transcript.digest());
}
