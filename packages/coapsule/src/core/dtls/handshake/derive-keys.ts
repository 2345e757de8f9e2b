/**
 * From the premaster secret to the keys of epoch 1, alike on both sides (RFC 5246 §8.1, RFC 7627 §4).
 *
 * @module
 */

import { extendedMasterSecret, keyBlock, masterSecret, verifyData } from '../key-schedule/prf-12.ts';
import { createEpochKeys, type EpochKeys } from '../record/epoch-keys.ts';
import type { HandshakeContext, HandshakeParameters } from './handshake-context.ts';

/** What a handshake derives once both sides have the premaster secret. */
export interface DerivedKeys {
  /** 48 bytes. */
  readonly masterSecret: Uint8Array;
  readonly read: EpochKeys;
  readonly write: EpochKeys;
}

/**
 * Derives the keys, and writes the key log line when the configuration asks for it.
 *
 * @param sessionHash Hash of the messages up to and including ClientKeyExchange (RFC 7627 §3).
 * @param isAttempt Whether these may not be the keys of the peer: the line is left to who finds out.
 */
export function deriveKeys(
  context: HandshakeContext,
  parameters: HandshakeParameters,
  premaster: Uint8Array,
  sessionHash: Uint8Array,
  isAttempt = false,
): DerivedKeys {
  const { crypto } = context;
  const { suite, clientRandom, serverRandom } = parameters;
  const master = parameters.extendedMasterSecret
    ? extendedMasterSecret(crypto, suite.hash, premaster, sessionHash)
    : masterSecret(crypto, suite.hash, premaster, clientRandom, serverRandom);
  if (!isAttempt) context.logMasterSecret(clientRandom, master);
  return recordKeys(context, parameters, master);
}

/** The keys of a master secret and the randoms of this handshake, also for a session that goes on. */
export function keysOfMasterSecret(
  context: HandshakeContext,
  parameters: HandshakeParameters,
  master: Uint8Array,
): DerivedKeys {
  context.logMasterSecret(parameters.clientRandom, master);
  return recordKeys(context, parameters, master);
}

function recordKeys(
  context: HandshakeContext,
  parameters: HandshakeParameters,
  master: Uint8Array,
): DerivedKeys {
  const { crypto } = context;
  const { suite, clientRandom, serverRandom, connectionIds } = parameters;
  const block = keyBlock(crypto, suite, master, clientRandom, serverRandom);
  const isClient = context.role === 'client';
  const [readKey, writeKey] = isClient
    ? [block.serverWriteKey, block.clientWriteKey]
    : [block.clientWriteKey, block.serverWriteKey];
  const [readIv, writeIv] = isClient
    ? [block.serverWriteIv, block.clientWriteIv]
    : [block.clientWriteIv, block.serverWriteIv];
  return {
    masterSecret: master,
    read: createEpochKeys(crypto, suite, readKey, readIv, connectionIds?.own),
    write: createEpochKeys(crypto, suite, writeKey, writeIv, connectionIds?.peer),
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
