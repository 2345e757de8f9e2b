/**
 * Fuzz target: any bytes as the state of an association, as they are and with a check that fits.
 *
 * @module
 */

import assert from 'node:assert/strict';
import {
  decodeAssociationState,
  encodeAssociationState,
  isAssociationStateFault,
} from '../../src/core/dtls/association-state.ts';
import { cipherSuites } from '../../src/core/dtls/cipher-suites.ts';
import { equalBytes } from '../../src/core/foundation/bytes.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import type { FuzzTarget } from './fuzz-target.ts';

export const target: FuzzTarget = {
  name: 'association state',
  corpus: cipherSuites.map((suite, i) =>
    encodeAssociationState(nodeCrypto, {
      role: i % 2 === 0 ? 'client' : 'server',
      suite,
      extendedMasterSecret: true,
      connectionIds: i % 3 === 0 ? undefined : { own: new Uint8Array(i % 9), peer: new Uint8Array(i) },
      returnRoutabilityCheck: i % 2 === 1,
      generation: i,
      writeSequence: 2 ** i,
      window: { highest: i - 1, recent: i === 0 ? 0 : 1, older: 0 },
      peerRecordSizeLimit: 1024,
      identityHash: new Uint8Array(16),
      application: new Uint8Array(8),
      read: { key: new Uint8Array(suite.keyLength), iv: new Uint8Array(suite.fixedIvLength) },
      write: { key: new Uint8Array(suite.keyLength), iv: new Uint8Array(suite.fixedIvLength) },
    }),
  ),
  run(input) {
    check(input);
    if (input.length <= 8) return;
    // Mutations seldom keep the check: without this the fields behind it would never be reached.
    const body = input.subarray(0, -8);
    input.set(nodeCrypto.digest('SHA-256', body).subarray(0, 8), body.length);
    check(input);
  },
};

/** What is taken is what would be written. */
function check(input: Uint8Array): void {
  const state = decodeAssociationState(nodeCrypto, input);
  if (!isAssociationStateFault(state))
    assert.ok(equalBytes(encodeAssociationState(nodeCrypto, state), input));
}
