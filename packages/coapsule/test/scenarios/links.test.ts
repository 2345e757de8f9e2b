/**
 * The links that CoAP meets, in virtual time: everything works on each, loss is made up for in time, copies and
 * disorder change nothing, and firmware arrives over a radio that loses frames.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { type LinkProfileName, linkProfileNames } from '../../src/core/coap/link-profile.ts';
import { noBytes, toHex } from '../../src/core/foundation/bytes.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { linkProfiles } from '../../src/testing/link-profiles.ts';
import { Pair, type PairRequest } from '../../src/testing/pair.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';

const long = process.env['COAPSULE_LONG'] === '1';

function isOver({ final, error }: PairRequest): boolean {
  return final || error !== undefined;
}

function sha256(bytes: Uint8Array): string {
  return toHex(nodeCrypto.digest('SHA-256', bytes));
}

/** Blocks that fit one or two frames of 6LoWPAN; on the other links what fits the MTU. */
function blocksOf(profile: LinkProfileName, security: 'none' | 'dtls'): { blockSize?: number } {
  return profile === '6lowpan' ? { blockSize: security === 'dtls' ? 32 : 64 } : {};
}

for (const profile of linkProfileNames) {
  for (const security of ['none', 'dtls'] as const) {
    suite(`over ${profile}, ${security === 'dtls' ? 'secured' : 'plain'}`, () => {
      const linked = (seed: number): Pair => {
        const blocks = blocksOf(profile, security);
        return new Pair({ profile, security, seed, client: blocks, server: blocks });
      };

      test('GET and PUT are answered, and a body of 2000 bytes passes both ways', () => {
        const pair = linked(3);
        const body = new SeededRandom(5).fill(new Uint8Array(2000));
        let stored: Uint8Array = noBytes;
        pair.handler = (request) => {
          if (request.code === Code.Get) return { code: Code.Content, payload: stored };
          stored = request.payload.slice();
          return { code: Code.Changed };
        };
        for (const payload of [encodeUtf8('22.5'), body]) {
          const put = pair.request('/value', { code: Code.Put, payload });
          assert.ok(pair.runUntil(() => isOver(put), 600_000));
          assert.equal(put.responses[0]?.code, Code.Changed, JSON.stringify(put.error));
          const get = pair.request('/value');
          assert.ok(pair.runUntil(() => isOver(get), 600_000));
          assert.deepEqual(get.responses[0]?.payload, payload);
        }
        assert.equal(pair.network.droppedForMtu, 0);
        const largest = Math.max(...pair.network.sent.map(({ datagram }) => datagram.length));
        assert.ok(largest <= linkProfiles[profile].mtu, `${largest}`);
      });

      test('an observer has the last state in the end', () => {
        const pair = linked(4);
        let state = 0;
        pair.handler = () => ({ code: Code.Content, payload: `${state}`, observe: true });
        const observation = pair.request('/state', { observe: true });
        assert.ok(pair.runUntil(() => observation.responses.length > 0, 600_000));
        for (state = 1; state <= 20; state++) {
          pair.notify('/state');
          pair.run(500);
        }
        state = 20;
        pair.run(120_000);
        assert.equal(decodeUtf8(observation.responses.at(-1)?.payload ?? noBytes), '20');
      });
    });
  }
}

suite('at 30 % loss', () => {
  for (const security of ['none', 'dtls'] as const) {
    test(`95 % of Confirmable exchanges succeed within MAX_TRANSMIT_WAIT (${security})`, () => {
      const exchanges = long ? 20_000 : 1000;
      const pair = new Pair({ security, seed: 30, keepRecords: false });
      const hello = pair.request('/');
      assert.ok(pair.runUntil(() => hello.final));
      pair.network.setConditions({ lossRate: 0.3 });
      let succeeded = 0;
      for (let i = 0; i < exchanges; i++) {
        const start = pair.now;
        const request = pair.request('/temperature');
        assert.ok(pair.runUntil(() => isOver(request), 400_000));
        if (request.final && pair.now - start <= 93_000) succeeded++;
      }
      // 1 − 0.51^5 = 96.5 % of first attempts; a silent association costs a handshake.
      assert.ok(succeeded >= 0.95 * exchanges, `${succeeded} of ${exchanges}`);
    });
  }
});

suite('an observer of a state that changes each second, for ten minutes', () => {
  /** Seconds that each delivered state was old, and at each second the one the observer had. */
  function ages(lossRate: number, seed: number): { delivered: number[]; had: number[] } {
    let state = 0;
    const pair = new Pair({
      seed,
      keepRecords: false,
      handler: () => ({ code: Code.Content, payload: `${state}`, observe: true }),
    });
    const { responses } = pair.request('/state', { observe: true });
    assert.ok(pair.runUntil(() => responses.length > 0));
    pair.network.setConditions({ lossRate });
    const ageOf = (index: number): number =>
      state - Number(decodeUtf8(responses.at(index)?.payload ?? noBytes));
    const delivered: number[] = [];
    const had: number[] = [];
    for (state = 1; state <= 600; state++) {
      const before = responses.length;
      pair.notify('/state');
      pair.run(1000);
      for (let i = before; i < responses.length; i++) delivered.push(ageOf(i));
      had.push(ageOf(-1));
    }
    return { delivered, had };
  }
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;

  for (const [lossRate, most] of [
    [0.05, 0.25],
    [0.1, 0.6],
  ] as const) {
    test(`at ${lossRate * 100} % loss is ${most} seconds behind in the mean, and is never sent a state that was past`, () => {
      const runs = Array.from({ length: long ? 100 : 20 }, (_, i) => ages(lossRate, i + 1));
      const age = mean(runs.flatMap(({ had }) => had));
      assert.ok(age <= most, `${age}`);
      // The second in which it was sent may be over when it arrives.
      assert.ok(Math.max(...runs.flatMap(({ delivered }) => delivered)) <= 1);
    });
  }
});

suite('with 30 % reordering and 30 % duplication', () => {
  for (const security of ['none', 'dtls'] as const) {
    test(`each POST is carried out once and has its own answer (${security})`, () => {
      const exchanges = long ? 100_000 : 10_000;
      const carriedOut = new Uint8Array(exchanges);
      const pair = new Pair({
        security,
        seed: 33,
        keepRecords: false,
        client: { transmission: { nstart: 4 } },
        // In virtual time they come faster than the bounds of one peer are made for.
        server: { messageLimits: { deduplicationBytesPerPeer: 64 * 1024 * 1024 } },
        conditions: { duplicateRate: 0.3, reorderRate: 0.3, jitterMs: 5 },
        handler: ({ payload }) => {
          const i = Number(decodeUtf8(payload));
          carriedOut[i] = (carriedOut[i] as number) + 1;
          return { code: Code.Changed, payload: `did ${i}` };
        },
      });
      let wrong = 0;
      let next = 0;
      while (next < exchanges) {
        const batch = Array.from({ length: Math.min(50, exchanges - next) }, (_, i) => {
          const payload = encodeUtf8(`${next + i}`);
          return pair.request('/counter', { code: Code.Post, payload });
        });
        assert.ok(pair.runUntil(() => batch.every(isOver), 600_000));
        for (const [i, { responses, error }] of batch.entries()) {
          const answer = decodeUtf8(responses[0]?.payload ?? noBytes);
          if (error !== undefined || responses.length !== 1 || answer !== `did ${next + i}`) wrong++;
        }
        next += batch.length;
      }
      assert.equal(wrong, 0);
      assert.equal(
        carriedOut.every((times) => times === 1),
        true,
      );
    });
  }
});

suite('firmware of 51,200 bytes over 6LoWPAN at 5 % loss of frames', () => {
  const firmware = new SeededRandom(50).fill(new Uint8Array(51_200));
  const digest = sha256(firmware);
  for (const security of ['none', 'dtls'] as const) {
    for (const congestionControl of ['rfc7252', 'cocoa'] as const) {
      test(`arrives with its SHA-256 right (${security}, ${congestionControl})`, () => {
        const blocks = blocksOf('6lowpan', security);
        let received = '';
        const pair = new Pair({
          profile: '6lowpan',
          security,
          seed: 7,
          keepRecords: false,
          client: { ...blocks, congestionControl },
          server: { ...blocks, congestionControl },
          handler: ({ payload }) => {
            received = sha256(payload);
            return { code: Code.Changed };
          },
        });
        const upload = pair.request('/firmware', { code: Code.Put, payload: firmware, priority: 'bulk' });
        assert.ok(pair.runUntil(() => isOver(upload), 24 * 3_600_000));
        assert.equal(upload.error, undefined);
        assert.equal(received, digest);
        assert.ok(pair.network.sentCount >= 2 * (51_200 / (blocks.blockSize ?? 64)));
      });
    }
  }
});
