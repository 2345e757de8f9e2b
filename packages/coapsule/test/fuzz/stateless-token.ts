/**
 * Fuzz target: bytes are the token of a response, of which none that is not ours, as it was, gives a state (RFC 8974 §3.1).
 *
 * @module
 */

import { toHex } from '../../src/core/foundation/bytes.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { StatelessTokens } from '../../src/core/request-response/stateless-tokens.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';

const now = instant(5_000);
const tokens = new StatelessTokens(nodeCrypto, new SeededRandom(1), 247_000);
const states = [0, 1, 12, 46].map((length) => new SeededRandom(length).fill(new Uint8Array(length)));
const corpus = states.map((state) => tokens.seal('server', state, now));
const known = new Set(corpus.map(toHex));

/** What the fuzz driver runs. */
export const target: { name: string; corpus: Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'stateless-token',
  corpus,
  run(input) {
    const { kind } = tokens.open('server', input, now);
    if (kind !== 'foreign' && !known.has(toHex(input))) throw new Error(`a forged token is ${kind}`);
    if (tokens.open('another server', input, now).kind !== 'foreign') throw new Error('of another server');
  },
};
