/** Traffic in the console: messages as they pass, filtered, with their layers; findings, handshakes, and the file. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCapture } from '../../src/capture/capture-reader.ts';
import { answerSchemas } from '../../src/console/answer-schemas.ts';
import type {
  FindingsView,
  HandshakesView,
  TrafficDetail,
  TrafficEvents,
  TrafficPage,
} from '../../src/console/api-types.ts';
import { TrafficReader } from '../../src/console/traffic-reader.ts';
import { HandshakeLog } from '../../src/operations/handshake-log.ts';
import { TrafficRing } from '../../src/traffic/traffic-ring.ts';
import { eventsOf, problemOf, startTestConsole } from './console-fixture.ts';

/** As `serve --traffic` puts them together. */
function kept(keepSecrets = true) {
  const ring = new TrafficRing({ maxBytes: 4 * 1024 * 1024, keepSecrets });
  return {
    traffic: ring,
    capture: (captured: Parameters<TrafficRing['add']>[0]) => ring.add(captured),
    ...(keepSecrets && { keylog: (line: string) => ring.addSecret(line) }),
    demo: true,
  };
}

function isAsDocumented(name: keyof typeof answerSchemas, answer: unknown): void {
  const schema = answerSchemas[name];
  assert.ok(schema.kind === 'json');
  const { error } = schema.schema.safeParse(answer);
  assert.equal(error?.message, undefined, name);
}

test('messages that passed are listed, found by a filter, and each has its layers with bytes and fields', async (t) => {
  const { admin, client, coap, coaps } = await startTestConsole(t, kept());
  await client().get(`${coap}/temperature`);
  const device = client('sensor-042', 'MySecret16ByteK!');
  await device.put(`${coaps}/sensors/sensor-042/t`, { payload: '21.5', contentFormat: 'text/plain' });
  const user = await admin();
  const page = await user.json<TrafficPage>('GET', '/api/traffic/messages');
  isAsDocumented('GET /api/traffic/messages', page);
  const { messages } = page;
  assert.deepEqual(
    messages.map(({ number }) => number),
    messages.map(({ number }) => number).toSorted((one, other) => other - one),
    'the newest first',
  );
  const get = messages.find(({ code }) => code === 'GET') ?? assert.fail();
  assert.deepEqual(
    [get.protocol, get.isSecure, get.path, get.direction],
    ['coap', false, '/temperature', 'received'],
  );
  const put = messages.find(({ code }) => code === 'PUT') ?? assert.fail('it is not decrypted');
  assert.deepEqual(
    [put.protocol, put.isSecure, put.path, put.identity],
    ['coap', true, '/sensors/sensor-042/t', 'sensor-042'],
  );
  assert.ok(
    messages.some(({ protocol }) => protocol === 'dtls'),
    'the handshake',
  );
  const detail = await user.json<TrafficDetail>('GET', `/api/traffic/messages/${put.number}`);
  isAsDocumented('GET /api/traffic/messages/{number}', detail);
  const inner = detail.layers.find(({ name }) => name === 'CoAP message') ?? assert.fail();
  const path = inner.fields.find(({ name }) => name === 'Uri-Path') ?? assert.fail();
  const bytes = Buffer.from(inner.bytesHex, 'hex');
  assert.ok(bytes.subarray(path.start, path.end).toString('latin1').endsWith('sensors'));
  assert.equal(detail.exchange.length, 2, 'request and response');
  const filtered = await user.json<TrafficPage>(
    'GET',
    `/api/traffic/messages?filter=${encodeURIComponent('code=PUT or code=2.01')}`,
  );
  assert.deepEqual(
    filtered.messages.map(({ code }) => code),
    ['2.01 Created', 'PUT'],
  );
  const wrong = await user.ask('GET', '/api/traffic/messages?filter=code%20%3D%20(');
  assert.deepEqual([wrong.status, (await problemOf(wrong)).code], [400, 'invalid']);
  const older = await user.json<TrafficPage>('GET', `/api/traffic/messages?limit=1&before=${put.number}`);
  assert.ok((older.messages[0]?.number ?? 0) < put.number && older.next !== null);
  assert.equal((await user.ask('GET', '/api/traffic/messages/999999')).status, 404);
  const findings = await user.json<FindingsView>('GET', '/api/traffic/findings');
  isAsDocumented('GET /api/traffic/findings', findings);
});

test('messages come as they pass, and only those that a filter wants', async (t) => {
  const { admin, client, coap } = await startTestConsole(t, kept());
  const user = await admin();
  const filter = encodeURIComponent('path=/light');
  const events = eventsOf(await user.ask('GET', `/api/traffic/live?filter=${filter}`));
  const one = client();
  await one.get(`${coap}/temperature`);
  await one.get(`${coap}/light`);
  const seen: string[] = [];
  while (seen.length < 2) {
    const { data } = (await events.next()).value ?? assert.fail('the stream is over');
    for (const { path, code } of (data as TrafficEvents['messages']).messages) seen.push(`${code} ${path}`);
  }
  assert.deepEqual(seen, ['GET /light', '2.05 Content /light']);
  await events.return(undefined);
});

test('the file has all that is kept, with secrets only for an admin who asks, of a gateway that keeps them', async (t) => {
  const started = await startTestConsole(t, kept());
  await started.client('sensor-042', 'MySecret16ByteK!').get(`${started.coaps}/temperature`);
  const user = await started.admin();
  const file = async (body: object) =>
    readCapture(new Uint8Array(await (await user.ask('POST', '/api/traffic/export', body)).arrayBuffer()));
  const plain = await file({});
  assert.ok(plain.packets.length >= 8 && plain.keyLog.length === 0);
  const open = await file({ withSecrets: true });
  assert.match(open.keyLog.join('\n'), /^CLIENT_RANDOM /);
  const some = await file({ filter: 'code=GET' });
  assert.equal(some.packets.length, 1);
  const operator = await started.as('operate');
  assert.equal((await operator.ask('POST', '/api/traffic/export', {})).status, 200);
  assert.equal((await operator.ask('POST', '/api/traffic/export', { withSecrets: true })).status, 403);
  const audited = (name: string): number =>
    readFileSync(join(started.folder, name), 'utf8').split('"traffic-exported"').length - 1;
  assert.deepEqual(
    [audited('audit-changes.ndjson'), audited('audit-console.ndjson')],
    [1, 3],
    'whoever exports much pushes no change out of its file',
  );
  const without = await startTestConsole(t, kept(false));
  const refused = await (await without.admin()).ask('POST', '/api/traffic/export', { withSecrets: true });
  assert.deepEqual([refused.status, (await problemOf(refused)).code], [404, 'unavailable']);
});

test('handshakes are told with why they failed, also where no traffic is kept', async (t) => {
  const { admin, client, coaps } = await startTestConsole(t, { demo: true });
  await client('sensor-042', 'MySecret16ByteK!').get(`${coaps}/temperature`);
  await assert.rejects(
    client('sensor-042', 'not the right key').get(`${coaps}/temperature`, { timeoutMs: 5000 }),
  );
  const user = await admin();
  const view = await user.json<HandshakesView>('GET', '/api/traffic/handshakes');
  isAsDocumented('GET /api/traffic/handshakes', view);
  assert.ok(view.handshakes.some(({ isOk, identity }) => isOk && identity === 'sensor-042'));
  const failed = view.handshakes.find(({ isOk }) => !isOk) ?? assert.fail('the failure is not told');
  assert.ok((failed.cause ?? '').length > 10 && failed.identity === 'sensor-042', JSON.stringify(failed));
  const none = await user.ask('GET', '/api/traffic/messages');
  assert.deepEqual([none.status, (await problemOf(none)).code], [404, 'unavailable']);
});

test('of strangers the log of handshakes keeps neither long names nor many', () => {
  const log = new HandshakeLog(() => 1);
  for (let count = 0; count < 300; count++)
    log.note({
      kind: 'handshake-failed',
      address: { key: `192.0.2.1:${count}`, host: '192.0.2.1', port: count },
      identity: 'x'.repeat(60_000),
      failure: { cause: 'unknown-identity', detail: 'y'.repeat(60_000) },
      nextStep: '',
    } as Parameters<HandshakeLog['note']>[0]);
  assert.equal(log.handshakes.length, 200);
  assert.equal(log.handshakes[0]?.address, '192.0.2.1:299');
  assert.ok(JSON.stringify(log.handshakes).length < 200 * 1000);
});

test('what is kept decoded is bounded by its fields: datagrams of nothing but options have hundreds', async () => {
  const ring = new TrafficRing({ maxBytes: 4 * 1024 * 1024 });
  const reader = new TrafficReader({
    ring,
    ports: () => [5683],
    identities: async () => new Map(),
    timer: { now: () => 0, after: () => () => {} },
  });
  const add = (datagram: Uint8Array): void =>
    ring.add({
      ...{ direction: 'received', local: addressOf(5683), remote: addressOf(40_000) },
      ...{ datagram, wallTimeMs: 0 },
    });
  const options = new Uint8Array(5000);
  options.set([0x40, 1, 0, 0, 0xb0]);
  for (let count = 0; count < 400; count++) add(options);
  const { entries } = await reader.read();
  assert.ok(entries.length > 100 && entries.length < 300, `${entries.length} are kept`);
  assert.equal(entries.at(-1)?.item.number, 400, 'the newest are kept');
  for (let count = 0; count < 150; count++) add(Uint8Array.of(0x40, 1, 0, count));
  assert.ok((await reader.read()).entries.length > 150, 'small ones are all kept');
  reader.close();
});

function addressOf(port: number) {
  return { key: `127.0.0.1:${port}`, host: '127.0.0.1', port };
}
