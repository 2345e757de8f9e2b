/**
 * Bodies in Q-Blocks between two endpoints on a network that loses, duplicates and reorders (RFC 9177 §4, §7).
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBlock } from '../../src/core/coap/block-option.ts';
import { Code } from '../../src/core/coap/code.ts';
import { decodeMessage } from '../../src/core/coap/message-codec.ts';
import type { MessageView } from '../../src/core/coap/message-view.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { equalBytes } from '../../src/core/foundation/bytes.ts';
import {
  clientAddress,
  Pair,
  type PairOptions,
  type PairRequest,
  serverAddress,
} from '../../src/testing/index.ts';
import { pattern } from '../unit/request-response/harness.ts';

const long = process.env['COAPSULE_LONG'] === '1';
const { QBlock1, QBlock2, Block1, Block2 } = OptionNumber;
const day = 86_400_000;

/** A pair whose server answers a GET with `down`, and anything else, of which `stored` tells, with 2.04 and `down`. */
function pairFor(
  down: Uint8Array,
  options: PairOptions,
): { readonly pair: Pair; readonly stored: Uint8Array[] } {
  const stored: Uint8Array[] = [];
  const pair = new Pair({
    keepRecords: false,
    server: {
      dangerouslyUnlimitedAmplification: true,
      requestResponse: { maxBodyBytes: () => 16 * 1024 * 1024 },
    },
    ...options,
    handler: ({ code, payload }) => {
      if (code === Code.Get) return { code: Code.Content, payload: down };
      stored.push(payload.slice());
      return { code: Code.Changed, payload: down };
    },
  });
  return { pair, stored };
}

function ask(
  pair: Pair,
  code: Code,
  payload: Uint8Array,
  type: 'CON' | 'NON',
  blockSize: number,
): PairRequest {
  const request = pair.request('/r', { code, payload, type, blockSize, qBlock: true });
  pair.runUntil(() => request.final || request.error !== undefined, 30 * day);
  return request;
}

const blockSizes = [16, 32, 64, 128, 256, 512, 1024];

for (const bytes of [0, 1, 16 * 1024, 1024 * 1024]) {
  for (const blockSize of blockSizes) {
    const isHuge = bytes / blockSize > 20_000;
    if (isHuge && !long) continue;
    test(`${bytes} bytes in blocks of ${blockSize} go and come whole, with 2 % loss, copies and disorder`, () => {
      const body = pattern(bytes, 11);
      const conditions = { lossRate: 0.02, duplicateRate: 0.02, reorderRate: 0.02, delayMs: 20 };
      const { pair, stored } = pairFor(body, { seed: bytes + blockSize, conditions });
      const put = ask(pair, Code.Put, body, 'NON', blockSize);
      assert.equal(put.error, undefined);
      assert.deepEqual(
        stored.map((one) => equalBytes(one, body)),
        [true],
        'once, and whole',
      );
      const [changed] = put.responses;
      assert.ok(changed && equalBytes(changed.payload, body));
      const get = ask(pair, Code.Get, new Uint8Array(), 'NON', blockSize);
      assert.equal(get.error, undefined);
      const [content] = get.responses;
      assert.ok(content && equalBytes(content.payload, body));
      assert.equal(content?.options.has(QBlock2), false);
    });
  }
}

test('whatever is lost, copied or out of order: a body arrives as it is, at most once for each request, or an error tells', () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 1, max: 1_000_000 }),
        lossRate: fc.double({ min: 0, max: 0.4, noNaN: true }),
        duplicateRate: fc.double({ min: 0, max: 0.3, noNaN: true }),
        reorderRate: fc.double({ min: 0, max: 0.3, noNaN: true }),
        type: fc.constantFrom('CON' as const, 'NON' as const),
        code: fc.constantFrom<Code>(Code.Put, Code.Post, Code.Fetch, Code.Get),
        blockSize: fc.constantFrom(...blockSizes),
        up: fc.integer({ min: 0, max: 3000 }),
        down: fc.integer({ min: 0, max: 3000 }),
        nstart: fc.constantFrom(1, 4),
      }),
      ({ seed, lossRate, duplicateRate, reorderRate, type, code, blockSize, up, down, nstart }) => {
        const [sent, answer] = [pattern(code === Code.Get ? 0 : up, seed), pattern(down, seed + 1)];
        const conditions = { lossRate, duplicateRate, reorderRate, delayMs: 30, jitterMs: 30 };
        const config = { transmission: { nstart } };
        const { pair, stored } = pairFor(answer, { seed, conditions, client: config });
        const request = ask(pair, code, sent, type, blockSize);
        assert.ok(request.final !== (request.error !== undefined), 'one end');
        if (code !== Code.Get) {
          assert.ok(stored.length <= 1 || code === Code.Fetch, `carried out ${stored.length} times`);
          for (const one of stored) assert.ok(equalBytes(one, sent));
        }
        const [response] = request.responses;
        if (request.final) assert.ok(response && equalBytes(response.payload, answer));
        pair.run(2 * day);
        assert.equal(pair.client.nextTimeout(), undefined, 'nothing of it is left');
        assert.equal(pair.server.nextTimeout(), undefined);
      },
    ),
    { numRuns: long ? 20_000 : 150, seed: 9177 },
  );
});

test('many requests for one resource at once, of which each has a body and an answer of its own, are never mixed up', () => {
  for (const code of [Code.Fetch, Code.Post]) {
    for (let seed = 1; seed <= (long ? 200 : 10); seed++) {
      const answerTo = (payload: Uint8Array): Uint8Array => pattern(900, 1 + (payload[0] as number));
      const pair = new Pair({
        seed,
        keepRecords: false,
        conditions: { lossRate: 0.1, reorderRate: 0.1, delayMs: 20 },
        server: { dangerouslyUnlimitedAmplification: true },
        handler: ({ payload }) => ({
          code: code === Code.Fetch ? Code.Content : Code.Changed,
          payload: answerTo(payload),
        }),
      });
      const bodies = [3, 40, 500, 600].map((length, i) => pattern(length, 10 * seed + i));
      const requests = bodies.map((payload) =>
        pair.request('/r', { code, payload, type: 'NON', blockSize: 16, qBlock: true }),
      );
      pair.run(day);
      for (const [i, request] of requests.entries()) {
        assert.ok(request.final || request.error !== undefined);
        const [response] = request.responses;
        if (response !== undefined) {
          assert.ok(equalBytes(response.payload, answerTo(bodies[i] as Uint8Array)), `${code} ${seed} ${i}`);
        }
      }
      assert.ok(requests.filter(({ final }) => final).length >= 2);
    }
  }
});

test('observers get each state in Q-Blocks, in order, and the last one in the end', () => {
  let state = pattern(700, 1);
  const pair = new Pair({
    seed: 5,
    conditions: { lossRate: 0.05, delayMs: 20 },
    keepRecords: false,
    server: { dangerouslyUnlimitedAmplification: true },
    handler: () => ({ code: Code.Content, payload: state, observe: true }),
  });
  const request = pair.request('/r', { type: 'NON', observe: true, qBlock: true, blockSize: 16 });
  const states = [state];
  pair.runUntil(() => request.responses.length > 0, day);
  for (let i = 2; i < 30; i++) {
    state = pattern(700 + i, i);
    states.push(state);
    pair.notify('/r');
    pair.run(60_000);
  }
  pair.run(600_000);
  const places = request.responses.map(({ payload }) => states.findIndex((one) => equalBytes(one, payload)));
  assert.ok(!places.includes(-1), 'no mixture of two states');
  for (const [i, place] of places.entries()) assert.ok(i === 0 || place >= (places[i - 1] as number));
  assert.equal(places.at(-1), states.length - 1);
});

/** Messages between both, in order: who sent them, and what they are. */
function traffic(
  pair: Pair,
): { readonly fromClient: boolean; readonly message: MessageView; readonly at: number }[] {
  return pair.network.sent.map(({ from, datagram, sentAt }) => ({
    fromClient: from.key === clientAddress.key,
    message: decodeMessage(datagram) as MessageView,
    at: sentAt,
  }));
}

test('Confirmable sets of ten go on after each set, also where NSTART is 1', () => {
  const body = pattern(35 * 16);
  const { pair, stored } = pairFor(body, { keepRecords: true, conditions: { delayMs: 10 } });
  const put = ask(pair, Code.Put, body, 'CON', 16);
  assert.ok(put.final && stored.length === 1);
  const get = ask(pair, Code.Get, new Uint8Array(), 'CON', 16);
  assert.ok(equalBytes(get.responses[0]?.payload as Uint8Array, body));
  const all = traffic(pair);
  const blocks = all.filter(({ message }) => message.options.has(QBlock1) || message.options.has(QBlock2));
  assert.ok(blocks.every(({ message }) => message.type !== 'NON'));
  assert.equal(
    all.some(({ message }) => message.options.has(Block1) || message.options.has(Block2)),
    false,
  );
});

test('§4.3: a Reset answers a 4.08 for a body that was given up, and the server deletes what it has of it', () => {
  const { pair } = pairFor(new Uint8Array(), { keepRecords: true, conditions: { delayMs: 10 } });
  ask(pair, Code.Get, new Uint8Array(), 'NON', 16);
  const request = pair.request('/r', {
    code: Code.Put,
    payload: pattern(400),
    type: 'NON',
    blockSize: 16,
    qBlock: true,
  });
  pair.run(5);
  pair.command('client', (client, now) => client.cancel(request.id, now));
  pair.run(100);
  pair.run(10_000);
  const last = traffic(pair).slice(-2);
  assert.deepEqual(
    last.map(({ message }) => message.type),
    ['NON', 'RST'],
  );
  assert.equal(pair.server.layerCounters().exchanges['droppedRequestBodies'], 1);
  pair.run(300_000);
  assert.equal(traffic(pair).at(-1)?.message.type, 'RST', 'and asks no more');
});

test('a Reset ends the sets of a response that nobody wants any more', () => {
  const { pair } = pairFor(pattern(100_000), { keepRecords: true, conditions: { delayMs: 10 } });
  const request = pair.request('/r', { type: 'NON', blockSize: 16, qBlock: true });
  pair.run(45);
  pair.command('client', (client, now) => client.cancel(request.id, now));
  pair.run(600_000);
  const blocks = traffic(pair).filter(
    ({ fromClient, message }) => !fromClient && message.options.has(QBlock2),
  );
  assert.ok(blocks.length <= 31, `${blocks.length} blocks`);
});

/** A client that knows its server to speak Q-Block, and gets no answer from it any more. */
function silenced(): Pair {
  const { pair } = pairFor(new Uint8Array(), { keepRecords: true, conditions: { delayMs: 10 } });
  ask(pair, Code.Get, new Uint8Array(), 'NON', 1024);
  pair.run(300_000);
  pair.network.detach(serverAddress);
  return pair;
}

test('§7.2: a body is subject to PROBING_RATE, and not each packet: its first set goes at once', () => {
  const pair = silenced();
  const start = pair.now;
  pair.request('/r', {
    code: Code.Put,
    payload: pattern(20 * 1024),
    type: 'NON',
    blockSize: 1024,
    qBlock: true,
  });
  pair.run(1000);
  const sent = traffic(pair).filter(({ fromClient, at }) => fromClient && at >= start);
  assert.equal(sent.length, 10);
  pair.run(2500);
  assert.equal(traffic(pair).filter(({ fromClient, at }) => fromClient && at >= start).length, 20);
});

test('§7.2: the next body waits for all bytes of the one before, and not longer than NON_PROBING_WAIT', () => {
  const pair = silenced();
  const start = pair.now;
  const sentSince = (since: number): number =>
    traffic(pair).filter(({ fromClient, at }) => fromClient && at >= since).length;
  const put = (bytes: number): PairRequest =>
    pair.request('/r', {
      code: Code.Put,
      payload: pattern(bytes),
      type: 'NON',
      blockSize: 1024,
      qBlock: true,
    });
  const first = put(5 * 1024);
  pair.run(10);
  assert.equal(sentSince(start), 5);
  pair.command('client', (client, now) => client.cancel(first.id, now));
  put(3 * 1024);
  pair.run(240_000);
  assert.equal(sentSince(start), 5, 'PROBING_RATE alone would hold it back for 5,000 s');
  pair.run(10_000);
  assert.equal(sentSince(start), 8, 'all of its set, as soon as its first block may go');
});

test('§7.2: each 4.08 is subject to PROBING_RATE, when the client does not answer', () => {
  const transmission = { maxPayloads: 64 };
  const { pair } = pairFor(new Uint8Array(), {
    keepRecords: true,
    conditions: { delayMs: 10 },
    client: { transmission },
    server: { transmission, dangerouslyUnlimitedAmplification: true },
  });
  ask(pair, Code.Get, new Uint8Array(), 'NON', 16);
  const start = pair.now;
  pair.request('/r', { code: Code.Put, payload: pattern(8000), type: 'NON', blockSize: 16, qBlock: true });
  pair.run(15);
  pair.network.detach(clientAddress);
  pair.network.setConditions({ lossRate: 1 }, { from: clientAddress, to: serverAddress });
  pair.run(120_000);
  const asked = pair.network.sent.filter(
    ({ from, sentAt }) => from.key === serverAddress.key && sentAt > start,
  );
  const lengths = asked.filter(({ sentAt }) => sentAt > start + 1000).map(({ datagram }) => datagram.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  assert.ok(lengths.length >= 2 && (lengths[0] as number) > 100, lengths.join());
  assert.ok(total <= 247 + 120 + (lengths[0] as number), `${total} bytes in 120 s`);
  const unlimited = 4 * (lengths[0] as number);
  assert.ok(total < unlimited, 'fewer than NON_MAX_RETRANSMIT');
});

test('§7.2: where the server answers, no body waits', () => {
  const { pair, stored } = pairFor(new Uint8Array(), { conditions: { delayMs: 10 } });
  const start = pair.now;
  for (let i = 0; i < 10; i++) ask(pair, Code.Put, pattern(5 * 1024, i), 'NON', 1024);
  assert.equal(stored.length, 10);
  assert.ok(pair.now - start < 2000);
});

test('RFC 9175 §2.3: a server that wants to know how old a body is gets it once, with an Echo in each block', () => {
  const body = pattern(600);
  const { pair, stored } = pairFor(new Uint8Array(), {
    keepRecords: true,
    conditions: { delayMs: 10 },
    server: { dangerouslyUnlimitedAmplification: true, requestResponse: { freshWithinMs: () => 30_000 } },
  });
  const put = ask(pair, Code.Put, body, 'NON', 16);
  assert.equal(put.responses[0]?.code, Code.Changed);
  assert.deepEqual(
    stored.map((one) => equalBytes(one, body)),
    [true],
  );
  const blocks = traffic(pair).filter(
    ({ fromClient, message }) => fromClient && message.options.has(QBlock1),
  );
  assert.equal(blocks.length, 38 + 10, 'the first set goes twice');
});

test('a Request-Tag is not the same again after a transfer that failed', () => {
  const pair = silenced();
  const tags = [1, 2].map(() => {
    const before = pair.network.sent.length;
    const request = pair.request('/r', {
      code: Code.Put,
      payload: pattern(300),
      type: 'NON',
      blockSize: 16,
      qBlock: true,
    });
    pair.run(300_000);
    assert.ok(request.error !== undefined || !request.final);
    pair.command('client', (client, now) => client.cancel(request.id, now));
    return traffic(pair)
      .slice(before)
      .map(({ message }) => message.options.uint(OptionNumber.RequestTag))
      .find((tag) => tag !== undefined);
  });
  assert.notEqual(tags[0], undefined);
  assert.notEqual(tags[0], tags[1]);
});

test('a server gets what it has to be told by the caller only: own options of blocks are not mixed with Q-Block', () => {
  const { pair } = pairFor(pattern(100), { keepRecords: true });
  const options = new OptionSet().add(Block2, encodeBlock({ num: 2, more: false, szx: 0 }));
  const request = pair.request('/r', { options, qBlock: true });
  pair.runUntil(() => request.final);
  assert.equal(request.responses[0]?.payload.length, 16);
  assert.equal(
    traffic(pair).some(({ message }) => message.options.has(QBlock2)),
    false,
  );
});
