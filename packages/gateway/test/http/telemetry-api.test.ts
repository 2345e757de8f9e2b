/** Answers of `/api/telemetry`: read as they are taken, and bounded in number. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerInfo } from 'coapsule';
import { Hono } from 'hono';
import { TelemetryApi } from '../../src/http/telemetry-api.ts';
import type { MeasurementPage, MeasurementQuestion, Series } from '../../src/store/measurement-table.ts';
import { StoreFault } from '../../src/store/store-fault.ts';

const peer = {} as PeerInfo;
const series: Series = { id: 1, identity: 'a', path: '/sensors/a', name: 't', unit: 'Cel' };

/** An API over a store whose series never ends. */
function endless(fail: (page: number) => boolean = () => false) {
  const asked: MeasurementQuestion[] = [];
  const waiting = new Set<() => void>();
  const measurements = async (question: MeasurementQuestion): Promise<MeasurementPage> => {
    asked.push(question);
    if (fail(asked.length)) throw new StoreFault('failed', 'the disk is gone', 'get another');
    const first = question.after?.atMs ?? 0;
    const rows = Array.from({ length: question.limit }, (_, index) => {
      const atMs = first + index + 1;
      return {
        ...{ identity: 'a', path: '/sensors/a', name: 't', unit: 'Cel' },
        value: atMs,
        atMs,
        receivedAtMs: atMs,
      };
    });
    const next = { atMs: first + question.limit, series: 1, reading: 1, position: 0 };
    return { measurements: rows, next };
  };
  const api = new TelemetryApi({
    store: {
      measurements,
      series: async () => [series],
      buckets: () => assert.fail('no spans are asked for'),
      extent: () => assert.fail('no spans are asked for'),
    },
    readableBy: async () => () => true,
    clock: () => 1_000_000,
    timer: {
      now: () => 0,
      after: (_ms, action) => {
        waiting.add(action);
        return () => waiting.delete(action);
      },
    },
  });
  const app = new Hono().get('/api/telemetry', (c) => api.answer(c, peer));
  return {
    asked,
    waiting,
    ask: async (query: string, method = 'GET') => app.request(`/api/telemetry${query}`, { method }),
  };
}

test('the next page is read when the one before is taken, and none when nobody reads any more', async () => {
  const { asked, ask } = endless();
  const { body } = await ask('?format=ndjson&limit=1000000');
  await new Promise(setImmediate);
  assert.equal(asked.length, 1, 'the first page, to know that there is an answer');
  const reader = (body ?? assert.fail()).getReader();
  for (let page = 1; page <= 3; page++) {
    await reader.read();
    await new Promise(setImmediate);
    assert.equal(asked.length, page);
  }
  await reader.cancel();
  await new Promise(setImmediate);
  assert.equal(asked.length, 3);
});

test('a limit cuts the last page, and the cursor goes on behind it', async () => {
  const { asked, ask } = endless();
  const answer = (await (await ask('?limit=750')).json()) as {
    measurements: { value: number }[];
    cursor: string;
  };
  assert.deepEqual(
    [answer.measurements.length, answer.measurements.at(-1)?.value, asked.map(({ limit }) => limit)],
    [750, 750, [500, 250]],
  );
  const next = (await (await ask(`?limit=1&cursor=${answer.cursor}`)).json()) as typeof answer;
  assert.equal(next.measurements[0]?.value, 751);
});

test('no more answers are under way than may, and one that ends makes room', async () => {
  const { ask } = endless();
  const open = await Promise.all(Array.from({ length: 32 }, () => ask('?format=csv&limit=1000000')));
  assert.ok(open.every(({ status }) => status === 200));
  assert.equal((await ask('?format=csv')).status, 503);
  await open[0]?.body?.cancel();
  const again = await ask('?limit=1');
  assert.equal(again.status, 200);
  await again.text();
  assert.equal((await ask('?limit=1')).status, 200);
  for (const { body } of open.slice(1)) await body?.cancel();
});

test('an answer of which nothing is taken for a minute breaks off, and HEAD takes no place', async () => {
  const { ask, waiting } = endless();
  const open = await Promise.all(Array.from({ length: 32 }, () => ask('?format=csv&limit=1000000')));
  const readers = open.map(({ body }) => (body ?? assert.fail()).getReader());
  for (const reader of readers) await reader.read();
  assert.equal((await ask('')).status, 503);
  for (const due of [...waiting]) due();
  await assert.rejects(readers[0]?.read() ?? assert.fail(), /nobody reads/);
  for (let count = 0; count < 40; count++) assert.equal((await ask('', 'HEAD')).status, 200);
});

test('a database that fails is 503 before there is an answer, and breaks off one that has begun', async () => {
  const atOnce = await endless(() => true).ask('');
  assert.deepEqual([atOnce.status, atOnce.headers.get('retry-after')], [503, '30']);
  const later = await endless((page) => page === 2).ask('?format=ndjson&limit=2000');
  assert.equal(later.status, 200);
  await assert.rejects(later.text(), /the disk is gone/);
});

test('those that come at once are counted from the first page that is read for them', async () => {
  const { ask, asked } = endless();
  const open = await Promise.all(Array.from({ length: 40 }, () => ask('?format=csv&limit=1000000')));
  assert.equal(open.filter(({ status }) => status === 200).length, 32);
  assert.equal(asked.length, 32);
  for (const { body } of open) await body?.cancel();
  assert.equal((await ask('?limit=1')).status, 200);
});
