/** Event streams that end while they are opened. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Response as CoapResponse } from 'coapsule';
import { Hono } from 'hono';
import { EventStreams } from '../../src/http/event-streams.ts';

const state = { ok: true, text: () => 'on' } as CoapResponse;

function open(read: () => Promise<CoapResponse>, isNobody = false) {
  const streams = new EventStreams({ watch: () => () => {} }, () => new Response(null, { status: 403 }));
  const app = new Hono().get('/', (c) => streams.open(c, { name: '/lamp', read, isNobody }));
  return { streams, answer: app.request('/') };
}

test('a stream whose first state is being read when all end shows nothing: its token may not count any more', async () => {
  const first = Promise.withResolvers<CoapResponse>();
  const { streams, answer } = open(() => first.promise);
  assert.equal(streams.size, 1);
  streams.end();
  first.resolve(state);
  assert.equal(await (await answer).text(), '');
  assert.equal(streams.size, 0);
});

test('one whose reader goes while the first state is written takes no place any more', async () => {
  const first = Promise.withResolvers<CoapResponse>();
  const { streams, answer } = open(() => first.promise, true);
  first.resolve(state);
  await (await answer).body?.cancel();
  await new Promise(setImmediate);
  assert.equal(streams.size, 0);
});
