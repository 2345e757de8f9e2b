/**
 * Each bit of each datagram of a handshake flipped once on its way, for each kind of credential: whoever connects then saw
 * what the other side saw, and nobody throws.
 *
 * The short form takes a part of the bits, another one in each datagram; COAPSULE_LONG=1 all.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import type { DatagramAction } from '../../src/testing/simulated-network.ts';
import { credentialKinds } from './dtls-credentials.ts';
import { assertSameView, closeAssociation, DtlsPair } from './dtls-pair.ts';

const long = process.env['COAPSULE_LONG'] === '1';
const idLength = 8;

for (const kind of credentialKinds) {
  for (const resumption of ['off', 'session-id', 'ticket'] as const) {
    // A session goes on alike with all credentials.
    if (resumption !== 'off' && kind.name !== 'PSK') continue;
    const name = resumption === 'off' ? kind.name : `PSK and a session that goes on by ${resumption}`;
    const isResumed = resumption !== 'off';
    const newPair = (): DtlsPair => {
      const both = { resumption, keylog: true, connectionIdLength: idLength };
      const pair = new DtlsPair({ client: { ...kind.client, ...both }, server: { ...kind.server, ...both } });
      if (isResumed) {
        pair.connect();
        pair.run(10_000, () => pair.bothConnected);
        closeAssociation(pair);
      }
      return pair;
    };

    suite(`one flipped bit in a handshake with ${name}`, () => {
      test('never connects sides that saw different messages, and no side throws', (context) => {
        const clean = newPair();
        const first = clean.network.sent.length;
        clean.connect();
        clean.run(5000, () => clean.bothConnected);
        const bits = clean.network.sent.slice(first).map(({ datagram }) => datagram.length * 8);
        const all = bits.reduce((sum, count) => sum + count, 0);
        const random = new SeededRandom(11);
        const step = long ? 1 : Math.ceil(all / 500);
        let [runs, completed] = [0, 0];
        for (const [position, count] of bits.entries()) {
          for (let bit = random.integer(step); bit < count; bit += step) {
            if (flipped(newPair(), first + position, bit, isResumed)) completed++;
            runs++;
          }
        }
        context.diagnostic(`${completed} of ${runs} connected`);
        // Most of them end well all the same: what does not fit is dropped, and sent again.
        assert.ok(completed > runs / 4, `${completed} of ${runs}`);
      });
    });
  }
}

/** Connects while one bit of one datagram is flipped; tells whether both sides connected. */
function flipped(pair: DtlsPair, position: number, bit: number, isResumed: boolean): boolean {
  const what = `datagram ${position}, bit ${bit}`;
  pair.network.hook = ({ index, datagram }): DatagramAction | undefined => {
    if (index !== position) return undefined;
    const edited = datagram.slice();
    // Signatures differ in length by a byte or two.
    const at = Math.min(bit >> 3, edited.length - 1);
    edited[at] = (edited[at] as number) ^ (1 << (bit & 7));
    return { kind: 'edit', datagram: edited };
  };
  pair.connect();
  pair.run(20_000, () => pair.bothConnected);
  pair.network.hook = undefined;
  if (!pair.bothConnected) {
    // Only the side that ends the handshake may believe in it, and only until the other one has given up.
    const early = isResumed ? pair.server : pair.client;
    assert.equal(early.all('connected').length, 0, what);
    return false;
  }
  assertSameView(pair, what);
  assert.ok(pair.exchange(), what);
  return true;
}
