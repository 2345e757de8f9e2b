/**
 * The message layer at its bounds: Message IDs that wrap at full speed, peers without number, queues that fill; and
 * that memory comes back.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { encodeMessage } from '../../src/core/coap/message-codec.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { Pair, type PairRequest, serverAddress } from '../../src/testing/pair.ts';

const invented = process.env['COAPSULE_LONG'] === '1' ? 100_000 : 20_000;

function isOver({ final, error }: PairRequest): boolean {
  return final || error !== undefined;
}

function messageCounters(pair: Pair, side: 'client' | 'server'): Readonly<Record<string, number>> {
  return (side === 'client' ? pair.client : pair.server).layerCounters().messages;
}

test('Message IDs wrap at full speed: 66,500 POSTs, each once, the last ones wait, and all memory comes back', () => {
  const total = 66_500;
  const carriedOut = new Uint8Array(total);
  const pair = new Pair({
    keepRecords: false,
    conditions: { delayMs: 0.1, duplicateRate: 0.05 },
    client: { transmission: { nstart: 64 }, requestResponse: { maxClientExchanges: total } },
    server: { messageLimits: { deduplicationBytesPerPeer: 64 * 1024 * 1024 } },
    handler: ({ payload }) => {
      const i = Number(decodeUtf8(payload));
      carriedOut[i] = (carriedOut[i] as number) + 1;
      return { code: Code.Changed, payload: `${i}` };
    },
  });
  const start = pair.now;
  const requests: PairRequest[] = [];
  for (let i = 0; i < total; i++) {
    requests.push(pair.request('/counter', { code: Code.Post, payload: encodeUtf8(`${i}`) }));
    if (i % 64 === 63) pair.run(1);
  }
  // Back-pressure: all IDs are in use, and no request fails for that.
  pair.run(1000);
  assert.equal(
    carriedOut.reduce((sum, times) => sum + times, 0),
    65_536,
  );
  assert.equal(messageCounters(pair, 'client')['queued'], total - 65_536);
  assert.ok((messageCounters(pair, 'client')['messageIdsExhausted'] ?? 0) > 0);
  assert.ok(pair.runUntil(() => requests.every(isOver), 600_000));
  assert.ok(pair.now - start >= 247_000, `${pair.now - start} ms`);
  assert.equal(
    carriedOut.every((times) => times === 1),
    true,
  );
  for (const [i, { responses }] of requests.entries()) {
    assert.equal(decodeUtf8(responses[0]?.payload ?? noBytes), `${i}`);
  }
  pair.run(600_000);
  for (const side of ['client', 'server'] as const) {
    const { queued, outstanding, deduplicationBytes } = messageCounters(pair, side);
    assert.deepEqual([side, queued, outstanding, deduplicationBytes], [side, 0, 0, 0]);
  }
  assert.equal(pair.client.nextTimeout(), undefined);
});

suite('a flood', () => {
  test(`of ${invented} invented peers whose requests are answered late leaves nothing behind`, () => {
    // The answers are messages of their own, which nobody acknowledges: what costs a server the most for each peer.
    const pair = new Pair({ handler: () => undefined });
    const request = encodeMessage({
      type: 'CON',
      code: Code.Get,
      messageId: 1,
      token: Uint8Array.of(1),
      options: new OptionSet().add(OptionNumber.UriPath, 'slow'),
      payload: noBytes,
    });
    const answer = { code: Code.Content, payload: 'late' };
    let answered = 0;
    for (let i = 0; i < invented; i++) {
      const address = ipAddress(`198.18.${(i >> 8) & 255}.${i & 255}`, 1024 + (i >> 16));
      pair.command('server', (server, now) => server.handle({ address, datagram: request.slice() }, now));
      if (i % 100 !== 99) continue;
      pair.run(50);
      pair.network.sent.length = 0;
      if (pair.served.length < 2000) continue;
      for (const { exchange } of pair.served.splice(0)) {
        pair.respond(exchange, answer);
        answered++;
      }
    }
    assert.ok(answered >= invented / 2, `${answered}`);
    const { deduplicationBytes = 0, deduplicationPeers = 0 } = messageCounters(pair, 'server');
    assert.ok(deduplicationBytes <= 64 * 1024 * 1024 && deduplicationPeers <= 65_536);
    // One who is no part of it is served meanwhile.
    pair.handler = () => ({ code: Code.Content, payload: 'here' });
    const honest = pair.request('/temperature');
    assert.ok(pair.runUntil(() => isOver(honest), 60_000));
    assert.equal(honest.responses[0]?.code, Code.Content, JSON.stringify(honest.error));
    pair.run(1_000_000);
    const after = messageCounters(pair, 'server');
    assert.deepEqual(
      [after['queued'], after['outstanding'], after['deduplicationEntries'], after['deduplicationBytes']],
      [0, 0, 0, 0],
    );
    assert.equal(pair.server.nextTimeout(), undefined);
  });

  test('of requests of the application to a peer that is gone is bounded, refused by name, and forgotten', () => {
    const pair = new Pair({
      keepRecords: false,
      client: { messageLimits: { queuedMessages: 1000 } },
    });
    pair.network.detach(serverAddress);
    const requests = Array.from({ length: 5000 }, () => pair.request('/'));
    const refused = requests.filter(
      ({ error }) => error?.kind === 'exchange' && error.failure === 'too-many-exchanges',
    ).length;
    assert.equal(refused, 5000 - 1001);
    assert.equal(messageCounters(pair, 'client')['queued'], 1000);
    assert.ok(pair.runUntil(() => requests.every(isOver), 280_000));
    pair.run(600_000);
    assert.equal(messageCounters(pair, 'client')['queued'], 0);
    assert.equal(pair.client.nextTimeout(), undefined);
  });
});
