/**
 * `client.send` by purpose (requirements L04 to L11): what goes over the wire, and what the result says.
 */

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  Client,
  CoapsuleError,
  Code,
  changed,
  content,
  failure,
  Server,
  type TraceEvent,
} from '../../src/index.ts';
import { LinkRelay } from '../../src/testing/index.ts';

const seen: string[] = [];
function note<Answer>(answer: () => Answer) {
  return (request: { method: string; path: string; confirmable: boolean; text(): string }): Answer => {
    seen.push(`${request.confirmable ? 'CON' : 'NON'} ${request.method} ${request.path} ${request.text()}`);
    return answer();
  };
}

async function server(): Promise<{ server: Server; port: number }> {
  seen.length = 0;
  const made = new Server()
    .resource('/temperature', { get: note(() => content('22.5')), put: note(changed) })
    .resource('/alarm', { post: note(changed) })
    .resource('/lock', { put: note(() => failure(Code.Forbidden)) });
  const { port } = await made.listen('coap://127.0.0.1:0');
  return { server: made, port };
}

test('each purpose has its type, its method and its reason', async () => {
  const made = await server();
  await using _ = made.server;
  await using client = new Client();
  const uri = `coap://127.0.0.1:${made.port}`;
  const reading = await client.send('telemetry', `${uri}/temperature`, { payload: '21' });
  assert.deepEqual([reading.type, reading.outcome, reading.response], ['NON', 'sent', undefined]);
  assert.match(reading.reason, /Non-confirmable saves the battery/);
  const alert = await client.send('alert', `${uri}/alarm`, { payload: 'smoke' });
  assert.deepEqual([alert.type, alert.outcome, alert.response?.codeText], ['CON', 'answered', '2.04']);
  assert.match(alert.reason, /an alert must arrive/);
  const command = await client.send('command', `${uri}/lock`, { payload: 'unlock' });
  assert.deepEqual([command.type, command.response?.ok], ['CON', false]);
  const setting = await client.send('configuration', `${uri}/temperature`, { payload: '60' });
  assert.equal(setting.type, 'CON');
  const firmware = await client.send('firmware', `${uri}/temperature`, { payload: new Uint8Array(3000) });
  assert.deepEqual([firmware.type, firmware.response?.ok], ['CON', true]);
  // By now four Confirmable messages were acknowledged: the loss is measured, and there is none.
  const status = await client.send('status', `${uri}/temperature`);
  assert.deepEqual([status.type, status.networkLoss, status.response?.text()], ['NON', 0, '22.5']);
  assert.match(status.reason, /the network loses 0 %/);
  assert.deepEqual(
    seen.map((line) => line.split(' ').slice(0, 3).join(' ')),
    [
      'NON PUT /temperature',
      'CON POST /alarm',
      'CON PUT /lock',
      'CON PUT /temperature',
      'CON PUT /temperature',
      'NON GET /temperature',
    ],
  );
});

test('a reading is one datagram: the server need not answer it (L05), and with noResponse nothing else need be', async () => {
  const made = await server();
  await using _ = made.server;
  await using relay = await LinkRelay.open({ server: { port: made.port }, conditions: { delayMs: 0 } });
  await using client = new Client();
  const uri = `coap://127.0.0.1:${relay.port}`;
  for (let i = 0; i < 3; i++) await client.send('telemetry', `${uri}/temperature`, { payload: `${i}` });
  const status = await client.send('status', `${uri}/temperature`);
  assert.equal(status.response?.text(), '22.5');
  // Three readings, a question, and its answer.
  assert.equal(relay.network.sentCount, 5);
  const quiet = await client.send('command', `${uri}/temperature`, { payload: '3', noResponse: 'all' });
  assert.deepEqual([quiet.type, quiet.outcome, quiet.response], ['CON', 'sent', undefined]);
  assert.equal(seen.length, 5);
});

test('an alarm overtakes queued readings and is Confirmable; readings that newer ones overtook say so', async () => {
  const made = await server();
  await using _ = made.server;
  await using relay = await LinkRelay.open({ server: { port: made.port }, conditions: { delayMs: 5 } });
  await using client = new Client();
  const uri = `coap://127.0.0.1:${relay.port}`;
  await client.get(`${uri}/temperature`);
  seen.length = 0;
  const readings = Array.from({ length: 10 }, (_, i) =>
    client.send('telemetry', `${uri}/temperature`, { payload: `${i}`, confirmEvery: 1 }),
  );
  const other = client.put(`${uri}/temperature`, { payload: 'no purpose' });
  const alarm = client.send('alert', `${uri}/alarm`, { payload: 'fire' });
  assert.equal((await alarm).type, 'CON');
  const outcomes = (await Promise.all(readings)).map(({ outcome }) => outcome);
  await other;
  assert.deepEqual(seen, [
    'CON PUT /temperature 0',
    'CON POST /alarm fire',
    'CON PUT /temperature no purpose',
    'CON PUT /temperature 9',
  ]);
  assert.deepEqual(outcomes, ['answered', ...Array(8).fill('superseded'), 'answered']);
});

test('measured loss decides: on a lossy line a status query becomes Confirmable, and a reading gets a warning', async () => {
  const made = await server();
  await using _ = made.server;
  await using relay = await LinkRelay.open({ server: { port: made.port }, conditions: { delayMs: 0 } });
  relay.network.hook = ({ index }) => (index % 3 === 0 ? { kind: 'drop' } : { kind: 'deliver' });
  await using client = new Client({ transmission: { ackTimeoutMs: 10, maxRetransmit: 10 } });
  const uri = `coap://127.0.0.1:${relay.port}/temperature`;
  for (let i = 0; i < 12; i++) await client.put(uri, { payload: `${i}` });
  const { lossRate = 0 } = (await client.traffic(uri)) ?? {};
  assert.ok(lossRate > 0.1, `${lossRate}`);
  const status = await client.send('status', uri);
  assert.deepEqual([status.type, status.networkLoss], ['CON', lossRate]);
  const reading = await client.send('telemetry', uri, { payload: '1' });
  assert.equal(reading.type, 'NON');
  assert.match(reading.warnings.join(), /where 5 % are acceptable: send every few readings Confirmable/);
  const important = await client.send('telemetry', uri, { payload: '2', priority: 'reliability' });
  assert.deepEqual([important.type, important.outcome], ['CON', 'answered']);
});

test('both mistakes are traced: Confirmable for all, and Non-confirmable for a command', async () => {
  const made = await server();
  await using _ = made.server;
  const advice: string[] = [];
  const trace = (event: TraceEvent): void => {
    if (event.kind === 'advice') advice.push(`${event.rule}: ${event.detail}`);
  };
  await using client = new Client({ trace });
  const uri = `coap://127.0.0.1:${made.port}`;
  for (let i = 0; i < 25; i++) await client.put(`${uri}/temperature`, { payload: `${i}` });
  assert.equal(advice.length, 1);
  assert.match(advice[0] ?? '', /^confirmable-readings: .*send\('telemetry', …\)/);
  await client.put(`${uri}/lock`, { payload: 'unlock', confirmable: false });
  assert.match(advice[1] ?? '', /^non-confirmable-command: .*nobody knows whether it was carried out/);
  const result = await client.send('command', `${uri}/lock`, { payload: 'lock', confirmable: false });
  assert.equal(result.type, 'NON');
  assert.equal(result.warnings.length, 1);
  assert.equal(advice.length, 3);
});

test('a command whose server is down fails with a time-out, and a reading does not hang (L05, L06)', async () => {
  const silent = createSocket('udp4').bind(0, '127.0.0.1');
  await once(silent, 'listening');
  await using client = new Client({ transmission: { ackTimeoutMs: 5, maxRetransmit: 1 } });
  const uri = `coap://127.0.0.1:${silent.address().port}/lock`;
  assert.equal((await client.send('telemetry', uri, { payload: '1' })).outcome, 'sent');
  await assert.rejects(client.send('command', uri, { payload: 'unlock' }), { code: 'ERR_TIMEOUT' });
  silent.close();
});

test('a purpose that is none, and an option that is none, are refused by name', async () => {
  await using client = new Client();
  const uri = 'coap://127.0.0.1/x';
  await assert.rejects(client.send('telemtry' as 'telemetry', uri), /purpose is 'telemtry'; expected one of/);
  await assert.rejects(client.send('status', uri, { priorty: 'battery' } as object), /priorty/);
  await assert.rejects(client.send('status', uri, { acceptableLoss: 5 }), /acceptableLoss is 5/);
  await assert.rejects(
    client.send('PUT', uri, { priority: 'battery' } as object),
    (error) => !(error instanceof CoapsuleError) && /priority/.test((error as Error).message),
  );
});
