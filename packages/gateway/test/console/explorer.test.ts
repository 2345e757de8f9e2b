/** The explorer: requests to CoAP servers with what passed on the way, as whom, and within bounds. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { content, Server } from 'coapsule';
import type {
  DeviceWithSecret,
  DiscoverResult,
  ExplorerEvents,
  ExplorerResult,
  PingResult,
} from '../../src/console/api-types.ts';
import { eventsOf, problemOf, startTestConsole } from './console-fixture.ts';

test('a request is answered with the response, its messages with their fields, and the same as commands', async (t) => {
  const { admin, coap } = await startTestConsole(t, { demo: true });
  const user = await admin();
  const result = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
    uri: `${coap}/config`,
    method: 'GET',
    accept: 'application/json',
    options: [
      { option: 'Uri-Query', value: 'a=1' },
      { option: 2050, value: '0x0102' },
    ],
  });
  const { response, ladder, commands } = result;
  assert.deepEqual(
    [response?.code, response?.codeName, response?.contentFormatName],
    ['2.05', 'Content', 'application/json'],
  );
  assert.match(response?.explanation ?? '', /representation/);
  assert.ok(
    Buffer.from(response?.payloadHex ?? '', 'hex')
      .toString()
      .startsWith('{'),
  );
  assert.deepEqual(
    ladder.map(({ kind }) => kind),
    ['sent', 'received'],
  );
  const [sent] = ladder;
  assert.match(sent?.text ?? '', /^CON GET .* \/config\?a=1/);
  const path = sent?.fields.find(({ name }) => name === 'Uri-Path') ?? assert.fail();
  const bytes = Buffer.from(sent?.bytesHex ?? '', 'hex');
  assert.ok(bytes.subarray(path.start, path.end).toString('latin1').endsWith('config'));
  assert.deepEqual(
    commands.map(({ tool }) => tool),
    ['coapsule', 'coap-client', 'aiocoap-client', 'typescript'],
  );
  assert.equal(
    commands[0]?.command,
    `coapsule get '${coap}/config' -A 50 -O 15,0x613d31 -O 2050,0x0102`.replaceAll("'", ''),
  );
});

test('a device of the store can be spoken for by an admin alone; a wrong key is explained', async (t) => {
  const started = await startTestConsole(t);
  const user = await started.admin();
  const { secret } = await user.json<DeviceWithSecret>('POST', '/api/devices', {
    id: 'dev',
    credential: { kind: 'psk' },
  });
  assert.ok(secret?.kind === 'psk');
  const uri = `${started.coaps}/sensors/dev`;
  const put = { uri, method: 'PUT', payloadHex: '3232', contentFormat: 0 } as const;
  const asDevice = { ...put, credential: { kind: 'device', id: 'dev' } };
  const done = await user.json<ExplorerResult>('POST', '/api/explorer/request', asDevice);
  assert.equal(done.response?.code, '2.01');
  assert.ok(done.ladder.some(({ kind, text }) => kind === 'handshake' && text.includes('ClientHello')));
  assert.ok(!JSON.stringify(done).includes(secret.keyHex), 'commands have no key');

  const wrong = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
    ...put,
    credential: { kind: 'psk', identity: 'dev', keyHex: '00'.repeat(16) },
    timeoutSeconds: 20,
  });
  assert.equal(wrong.response, null);
  assert.equal(wrong.problem?.code, 'peer-failed');
  assert.match(wrong.problem?.message ?? '', /identity unknown or key wrong/);
  assert.ok((wrong.problem?.nextStep ?? '') !== '');

  const operator = await started.as('operate');
  const refused = await operator.ask('POST', '/api/explorer/request', asDevice);
  assert.deepEqual([refused.status, (await problemOf(refused)).code], [403, 'forbidden']);
  const line = await operator.ask('POST', '/api/explorer/ping', { uri: 'coap+serial://ttyUSB0/' });
  assert.equal(line.status, 403, 'serial lines are of the machine');
  const audit = readFileSync(join(started.folder, 'audit-console.ndjson'), 'utf8');
  assert.match(audit, /"event":"request-sent","user":"\(link\)","request":"PUT",.*"as":"dev"/);
});

test('a server is found out: its resources, and whether it is there', async (t) => {
  const { admin, coap } = await startTestConsole(t, { demo: true });
  const user = await admin();
  const { links } = await user.json<DiscoverResult>('POST', '/api/explorer/discover', { uri: coap });
  assert.ok(links.some(({ target }) => target === '/light'));
  const pong = await user.json<PingResult>('POST', '/api/explorer/ping', { uri: coap });
  assert.ok((pong.roundTripMs ?? 0) > 0);
});

test('an observation is a stream: the first response whole, then each newest state, until nobody reads', async (t) => {
  let state = 0;
  const server = new Server().resource('/state', { get: () => content(String(state)), observable: true });
  t.after(() => server.close());
  const { port } = await server.listen('coap://127.0.0.1:0');
  const { admin } = await startTestConsole(t);
  const user = await admin();
  const reading = new AbortController();
  const stream = await user.ask(
    'POST',
    '/api/explorer/observe',
    { uri: `coap://127.0.0.1:${port}/state`, method: 'GET' },
    { signal: reading.signal },
  );
  const events = eventsOf(stream);
  const next = async () => (await events.next()).value ?? assert.fail('the stream is over');
  const first = await next();
  assert.equal(first.event, 'response');
  assert.equal((first.data as ExplorerEvents['response']).response?.payloadHex, '30');
  state = 1;
  server.notify('/state');
  const second = await next();
  assert.equal(second.event, 'notification');
  assert.equal((second.data as ExplorerEvents['notification']).response.payloadHex, '31');
  reading.abort();
});

test('a payload is cut at 1 MiB, a user has eight requests at a time, and a silent server takes no longer than was said', async (t) => {
  const hang = Promise.withResolvers<void>();
  const big = new Uint8Array(1024 * 1024 + 100).fill(0x61);
  const server = new Server()
    .resource('/big', { get: () => content(big), maxBodyBytes: 2 * big.length })
    .resource('/hang', {
      get: async () => {
        await hang.promise;
        return content('late');
      },
    });
  t.after(() => server.close());
  t.after(() => hang.resolve());
  const { port } = await server.listen('coap+tcp://127.0.0.1:0');
  const { admin } = await startTestConsole(t);
  const user = await admin();
  const uri = `coap+tcp://127.0.0.1:${port}`;
  const cut = await user.json<ExplorerResult>('POST', '/api/explorer/request', {
    uri: `${uri}/big`,
    method: 'GET',
  });
  assert.deepEqual(
    [cut.problem, cut.response?.isPayloadCut, cut.response?.payloadHex.length],
    [null, true, 2 * 1024 * 1024],
  );
  assert.ok(cut.ladder.length <= 500);
  const asked = Array.from({ length: 9 }, () =>
    user.ask('POST', '/api/explorer/request', { uri: `${uri}/hang`, method: 'GET', timeoutSeconds: 1 }),
  );
  const answers = await Promise.all(asked);
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [...new Array<number>(8).fill(200), 503]);
  const late = answers.find(({ status }) => status === 200) ?? assert.fail();
  const result = (await late.json()) as ExplorerResult;
  assert.match(result.problem?.message ?? '', /no answer|no response|time|second/i);
});
