/** The console's pages and streams as browsers get them. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Hono } from 'hono';
import { type EventSource, EventStreams } from '../../src/console/event-stream.ts';
import { ConsoleSessions } from '../../src/console/sessions.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestConsole } from './console-fixture.ts';

test('the built app is served: every view is its page, hashed files stay in the browser, and nothing else is read', async (t) => {
  const appFolder = temporaryFolder(t);
  const script = `console.log(${JSON.stringify('x'.repeat(5000))})`;
  mkdirSync(join(appFolder, 'assets'));
  writeFileSync(join(appFolder, 'index.html'), '<!doctype html><title>Console</title>');
  writeFileSync(join(appFolder, 'assets', 'app-1234.js'), script);
  writeFileSync(join(appFolder, 'secret.key'), 'not for the web');
  const { base } = await startTestConsole(t, { console: { appFolder } });
  const get = (path: string, headers = {}) => fetch(`${base}${path}`, { headers, redirect: 'manual' });
  for (const path of [
    '/console/',
    '/console/login',
    '/console/devices/a%20b?x=1',
    '/console/devices/node.example',
  ]) {
    const page = await get(path);
    assert.deepEqual(
      [page.status, page.headers.get('content-type'), page.headers.get('cache-control')],
      [200, 'text/html; charset=utf-8', 'no-cache'],
    );
    assert.match(await page.text(), /<title>Console/);
  }
  const moved = await get('/console');
  assert.deepEqual([moved.status, moved.headers.get('location')], [308, '/console/']);
  const file = await get('/console/assets/app-1234.js', { 'accept-encoding': 'identity' });
  assert.equal(file.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  assert.equal(file.headers.get('content-type'), 'text/javascript; charset=utf-8');
  assert.equal(await file.text(), script);
  const packed = await get('/console/assets/app-1234.js', { 'accept-encoding': 'gzip' });
  assert.equal(packed.headers.get('content-encoding'), 'gzip');
  assert.equal(await packed.text(), script);
  for (const path of [
    '/console/assets/app-0000.js',
    '/console/secret.key',
    '/console/..%2f..%2fpackage.json',
    '/console/%2e%2e/%2e%2e/etc/passwd.txt',
    '/console/assets/',
  ])
    assert.equal((await get(path)).status, 404, path);
});

test('an app that was not built says so, and how it is', async (t) => {
  const { base } = await startTestConsole(t);
  const answer = await fetch(`${base}/console/devices`);
  assert.equal(answer.status, 503);
  assert.match(await answer.text(), /was not built: run "npm run build"/);
});

test('a stream whose reader does not read takes no more than what is on its way, and ends with its session', async () => {
  const sessions = new ConsoleSessions(Date.now, () => true);
  const { id, session } = sessions.begin({ name: 'a', role: 'view', version: 1 });
  const streams = new EventStreams();
  const closed = Promise.withResolvers<void>();
  let taken = 0;
  const endless = (): EventSource<'values'> => ({
    take: () => ({ event: 'values', data: { number: taken++, filling: 'x'.repeat(100_000) } }),
    ...{ isOver: false, problem: null, onChange: () => {}, close: () => closed.resolve() },
  });
  const app = new Hono().get('/', (c) => streams.answer(c, session, endless));
  const answer = await app.request('/');
  const reader = (answer.body ?? assert.fail()).getReader();
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  assert.ok(taken <= 3, `${taken} events were made for nobody`);
  assert.equal(streams.size, 1);
  await reader.read();
  sessions.end(id);
  while (!(await reader.read()).done);
  await closed.promise;
  assert.equal(streams.size, 0);
  sessions.close();
});

test('a session has twenty streams at most', async () => {
  const sessions = new ConsoleSessions(Date.now, () => true);
  const { session } = sessions.begin({ name: 'a', role: 'view', version: 1 });
  const streams = new EventStreams();
  const silent = (): EventSource<'values'> => ({
    take: () => undefined,
    ...{ isOver: false, problem: null, onChange: () => {}, close: () => {} },
  });
  const app = new Hono().get('/', (c) => {
    try {
      return streams.answer(c, session, silent);
    } catch {
      return c.text('busy', 503);
    }
  });
  const answers = await Promise.all(Array.from({ length: 21 }, async () => app.request('/')));
  assert.deepEqual(
    [
      answers.filter(({ status }) => status === 200).length,
      answers.filter(({ status }) => status === 503).length,
    ],
    [20, 1],
  );
  sessions.close();
  for (const { body } of answers) await body?.cancel();
});
