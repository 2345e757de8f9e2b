/**
 * Fuzz target: any bytes as a session, a NewSessionTicket or a session ticket.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { isDecodeFault } from '../../src/core/dtls/handshake/decode-fault.ts';
import {
  decodeNewSessionTicket,
  encodeNewSessionTicket,
} from '../../src/core/dtls/handshake/messages/new-session-ticket.ts';
import {
  decodeSessionState,
  encodeSessionState,
  type SessionProof,
} from '../../src/core/dtls/session/session-state.ts';
import { TicketKeys } from '../../src/core/dtls/session/ticket-keys.ts';
import { equalBytes } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { sampleSession } from '../unit/dtls/session/session-samples.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const now = instant(1000);
const keys = new TicketKeys(nodeCrypto, new SeededRandom(1), 1_000_000);
const ticket = keys.seal(sampleSession, now);
const proofs: readonly SessionProof[] = [
  sampleSession.proof,
  { kind: 'x509', chain: [new Uint8Array(40).fill(1), new Uint8Array(30).fill(2)] },
  { kind: 'raw-public-key', publicKey: new Uint8Array(44).fill(3) },
  { kind: 'none' },
];

export const target: FuzzTarget = {
  name: 'DTLS sessions and tickets',
  corpus: [
    ...proofs.map((proof) => encodeSessionState({ ...sampleSession, serverName: 'a.example', proof })),
    encodeNewSessionTicket({ lifetimeSeconds: 3600, ticket }),
    ticket,
  ],
  run(input) {
    const session = decodeSessionState(input);
    if (session !== undefined) assert.ok(equalBytes(encodeSessionState(session), input));
    const message = decodeNewSessionTicket(input);
    if (!isDecodeFault(message)) assert.ok(equalBytes(encodeNewSessionTicket(message), input));
    if (keys.open(input, now) !== undefined) assert.ok(equalBytes(input, ticket), 'a forged ticket opens');
  },
};
