/**
 * Datagrams that are damaged on the line after the handshake: what does not authenticate is dropped and counted, nothing
 * altered comes through, and the association lives on (requirement A06).
 *
 * The short form has 2,000 exchanges; COAPSULE_LONG=1 20,000.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { equalBytes } from '../../src/core/foundation/bytes.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { Pair } from '../../src/testing/pair.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import type { DatagramAction } from '../../src/testing/simulated-network.ts';
import { credentialKinds } from './dtls-credentials.ts';
import { DtlsPair } from './dtls-pair.ts';

const exchanges = process.env['COAPSULE_LONG'] === '1' ? 20_000 : 2000;

function withFlippedBit(datagram: Uint8Array, bit: number): DatagramAction {
  const edited = datagram.slice();
  edited[bit >> 3] = (edited[bit >> 3] as number) ^ (1 << (bit & 7));
  return { kind: 'edit', datagram: edited };
}

suite('records damaged on the line', () => {
  for (const { name, client, server } of credentialKinds) {
    test(`${name}: each bit of a record flipped once, both ways: dropped and counted, and the next record comes`, () => {
      const pair = new DtlsPair({ client, server });
      pair.connect();
      pair.run(10_000, () => pair.bothConnected);
      const text = encodeUtf8('22.5');
      for (const [from, to] of [
        [pair.client, pair.server],
        [pair.server, pair.client],
      ] as const) {
        const [own, peer] = [from.layer.associationAt(to.address), to.layer.associationAt(from.address)];
        assert.ok(own !== undefined && peer !== undefined);
        let bits = 1;
        for (let bit = 0; bit < bits; bit++) {
          pair.network.hook = ({ datagram }): DatagramAction => {
            bits = datagram.length * 8;
            return withFlippedBit(datagram, bit);
          };
          assert.equal(from.layer.send(own, text, pair.clock.now), 'sent');
          pair.drain(from);
          pair.run(20);
        }
        pair.network.hook = undefined;
        assert.ok(bits >= 8 * 33, `${bits}`);
        assert.equal(to.all('application-data').length, 0, 'nothing altered came through');
        const discarded = to.all('discarded').length;
        assert.ok(discarded >= bits, `${discarded} of ${bits}`);
        assert.equal(from.layer.send(own, text, pair.clock.now), 'sent');
        pair.drain(from);
        pair.run(20);
        assert.ok(to.all('application-data').every(({ data }) => equalBytes(data, text)));
        assert.equal(to.all('application-data').length, 1);
      }
      for (const node of [pair.client, pair.server]) assert.deepEqual(node.all('closed'), []);
    });
  }

  test(`5 % of all datagrams damaged: ${exchanges} exchanges, no wrong payload, one handshake`, () => {
    const pair = new Pair({ security: 'dtls' });
    const first = pair.request('/first');
    assert.ok(pair.runUntil(() => first.final));
    const random = new SeededRandom(6);
    let damaged = 0;
    pair.network.hook = ({ datagram }): DatagramAction | undefined => {
      if (random.integer(20) > 0) return undefined;
      damaged++;
      return withFlippedBit(datagram, random.integer(datagram.length * 8));
    };
    let served = 0;
    pair.handler = ({ payload }) => {
      served++;
      return { code: Code.Content, payload: payload.slice() };
    };
    let failed = 0;
    for (let n = 0; n < exchanges; n++) {
      const payload = encodeUtf8(`reading ${n}: ${'x'.repeat(n % 200)}`);
      const request = pair.request('/echo', { code: Code.Post, payload });
      assert.ok(pair.runUntil(() => request.final || request.error !== undefined));
      if (request.error === undefined)
        assert.ok(equalBytes(request.responses.at(-1)?.payload as Uint8Array, payload), `${n}`);
      else failed++;
    }
    assert.ok(damaged > exchanges / 20, `${damaged}`);
    // Five transmissions, of which both the request and its answer have to get through.
    assert.ok(failed <= exchanges / 1000, `${failed}`);
    assert.ok(served <= exchanges, 'none was carried out twice');
    const counted = [pair.client, pair.server].flatMap(({ counters }) =>
      Object.values(counters.droppedByDtls),
    );
    assert.ok(counted.reduce((sum, count) => sum + count, 0) >= damaged, 'each is counted');
    const last = pair.request('/last');
    pair.network.hook = undefined;
    assert.ok(pair.runUntil(() => last.final));
    const ofAssociations = pair.events.filter(
      ({ output: { kind } }) => kind === 'connected' || kind === 'closed',
    );
    assert.deepEqual(ofAssociations.map(({ side, output: { kind } }) => `${side} ${kind}`).sort(), [
      'client connected',
      'server connected',
    ]);
  });
});
