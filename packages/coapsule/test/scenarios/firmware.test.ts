/** A firmware of 50 KB over links that lose (RFC 7959, requirement K08), on virtual time. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code } from '../../src/core/coap/code.ts';
import { blockSizeForLink, linkProfiles } from '../../src/core/coap/link-profile.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { instant } from '../../src/core/foundation/instant.ts';
import { linkProfiles as conditionsOf } from '../../src/testing/link-profiles.ts';
import { Pair } from '../../src/testing/pair.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { drain, message, newLayer } from '../unit/request-response/harness.ts';

const firmware = new SeededRandom(50).fill(new Uint8Array(50_000));
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

for (const security of ['none', 'dtls'] as const) {
  test(`50 KB arrive over 6LoWPAN that loses 5 % of its frames, SHA-256 right, ${security === 'none' ? 'plain' : 'secured'}`, () => {
    const link = linkProfiles['6lowpan'];
    const config = { mtu: link.mtu, blockSize: blockSizeForLink(link, security) };
    const pair = new Pair({
      seed: 4,
      security,
      conditions: { ...conditionsOf['6lowpan'], lossRate: 0.05 },
      client: config,
      server: config,
    });
    const bodies: string[] = [];
    pair.handler = ({ payload }) => {
      bodies.push(digest(payload));
      return { code: Code.Changed };
    };
    const put = pair.request('/firmware', { code: Code.Put, payload: firmware });
    assert.ok(pair.runUntil(() => put.final || put.error !== undefined, 3_600_000));
    assert.equal(put.error, undefined);
    assert.equal(put.responses[0]?.code, Code.Changed);
    assert.deepEqual(bodies, [digest(firmware)], 'once, and whole');
    const longest = Math.max(...pair.network.sent.map(({ datagram }) => datagram.length));
    assert.ok(longest <= link.mtu);
    assert.ok(
      pair.network.sent.some(({ fate }) => fate === 'lost'),
      'something was lost',
    );
  });
}

test('peers that each begin 1 MiB and go away leave nothing after EXCHANGE_LIFETIME, however many they are', () => {
  const count = process.env['COAPSULE_LONG'] ? 100_000 : 20_000;
  const layer = newLayer({ maxRequestBodies: 1000 });
  const payload = new Uint8Array(1024);
  const options = [
    [OptionNumber.Block1, encodeBlock({ num: 0, more: true, szx: 6 })],
    [OptionNumber.Size1, 1024 * 1024],
  ] as const;
  let most = 0;
  for (let peer = 0; peer < count; peer++) {
    const first = message(Code.Put, { token: Uint8Array.of(1), options, payload });
    layer.receiveRequest(`peer ${peer}`, first, 'reply', instant(peer / 100));
    drain(layer);
    most = Math.max(most, layer.load().requestBodyBytes);
  }
  assert.equal(layer.load().requestBodies, 1000, 'the oldest made room');
  assert.ok(most < 1001 * 4096, `${most} bytes for blocks of 1024, whatever Size1 announced`);
  layer.handleTimeout(instant(count / 100 + 247_000));
  const { requestBodies, requestBodyBytes } = layer.load();
  assert.deepEqual([requestBodies, requestBodyBytes], [0, 0]);
  assert.equal(layer.nextTimeout(), undefined);
});
