/** `coapsule peers`: the peers of a gateway that runs, over its socket and over HTTP. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Client, OscoreContext } from 'coapsule';
import { parseRule, type Rule } from '../../src/access/rule.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { askGateway, OperatorSocket, operatorSocketPath } from '../../src/operations/operator-socket.ts';
import type { PeerView } from '../../src/operations/peers-view.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { startTestGateway } from '../gateway/test-gateway.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { run } from './recorded-environment.ts';

const onWindows = process.platform === 'win32' && 'Windows has no such sockets';
const masterSecret = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
const [deviceId, gatewayId] = [Uint8Array.of(0x0c), Uint8Array.of(0x05)];
const key = 'key of sensor a.';
const token = '9f86d081884c7d659f86d081884c7d65';

/** A gateway with a device over DTLS, which observes, and one under OSCORE. */
async function start(t: TestContext, workers = 1) {
  const dataFolder = temporaryFolder(t);
  const opened = openDatabase(dataFolder, { create: true, asGateway: false });
  new DeviceTable(opened).add({
    id: 'field-7',
    credential: {
      ...{ kind: 'oscore', masterSecret, masterSalt: undefined, senderId: gatewayId, recipientId: deviceId },
      ...{ idContext: undefined, aead: 'AES-CCM-16-64-128', hkdf: 'SHA-256' },
    },
    rules: ['*:/sensors/field-7'],
    addedAtMs: 1,
  });
  opened.close();
  const gateway = await startTestGateway(t, {
    ...{ dataFolder, workers },
    psks: [{ identity: 'a', key: new TextEncoder().encode(key) }],
    http: {
      address: { host: '127.0.0.1', port: 0 },
      tokens: [
        { name: 'operator', token, rules: [parseRule('GET:/api/peers') as Rule] },
        { name: 'panel', token: `${token}00`, rules: [] },
      ],
      tls: undefined,
    },
  });
  const sensor = gateway.client('a', key);
  await sensor.put(`${gateway.coaps}/sensors/a`, { payload: '1' });
  await sensor.observe(`${gateway.coaps}/sensors/a`)[Symbol.asyncIterator]().next();
  const oscore = await OscoreContext.open({
    ...{ masterSecret, senderId: deviceId, recipientId: gatewayId, firstUse: true },
    store: { load: async () => undefined, save: async () => {} },
  });
  const field = new Client({ oscore });
  t.after(() => field.close());
  await field.put(`${gateway.coap}/sensors/field-7`, { payload: '2' });
  await field.observe(`${gateway.coap}/sensors/field-7`)[Symbol.asyncIterator]().next();
  return gateway;
}

for (const workers of [1, 2]) {
  test(`devices over DTLS and under OSCORE are shown, as a table and as JSON, with ${workers} workers`, {
    skip: onWindows,
  }, async (t) => {
    const { folder, gateway } = await start(t, workers);
    const json = await run(['peers', '--data', folder, '--json']);
    assert.equal(json.exitCode, 0, json.stderr);
    const peers: readonly PeerView[] = JSON.parse(json.stdout);
    // Those of worker 0 come first.
    const inOrder = peers.toSorted((one, other) => (one.identity < other.identity ? -1 : 1));
    const shown = inOrder.map(({ identity, scheme, authentication, observations }) => [
      ...[identity, scheme, authentication, observations],
    ]);
    assert.deepEqual(shown, [
      ['a', 'coaps', 'psk', 1],
      ['field-7', 'coap', 'oscore', 1],
    ]);
    const table = await run(['peers', '--data', folder]);
    const [heading = '', ...lines] = table.stdout.trimEnd().split('\n');
    const rows = lines.sort();
    assert.match(heading, /^identity +address +endpoint +proved by +suite +cid +age +idle +in +out/);
    assert.equal(rows.length, 2);
    assert.match(
      rows[0] ?? '',
      /^a +127\.0\.0\.1:\d+ +coaps +psk +TLS_PSK_\w+ +\d+\/\d+ +\d+ s +\d+ s +\d+ B/,
    );
    assert.match(
      rows[1] ?? '',
      /^field-7 +127\.0\.0\.1:\d+ +coap +oscore +- +- +\d+ s +\d+ s +- +- +- +- +1$/,
    );

    const url = `http://${gateway.endpoints.http}`;
    const file = join(folder, 'operator.token');
    writeFileSync(file, `${token}\n`, { mode: 0o600 });
    const remote = await run(['peers', '--url', url, '--token-file', file, '--json']);
    assert.equal(remote.exitCode, 0, remote.stderr);
    assert.deepEqual(
      (JSON.parse(remote.stdout) as readonly PeerView[]).map(({ identity }) => identity).sort(),
      ['a', 'field-7'],
    );
  });
}

test('who may not ask, where nobody answers, and what is no gateway are told with a next step', async (t) => {
  const { gateway, folder } = await startTestGateway(t, {
    http: {
      address: { host: '127.0.0.1', port: 0 },
      tokens: [{ name: 'panel', token, rules: [] }],
      tls: undefined,
    },
  });
  const url = `http://${gateway.endpoints.http}`;
  const file = join(folder, 'panel.token');
  writeFileSync(file, token, { mode: 0o600 });
  const cases: readonly (readonly [args: readonly string[], exitCode: number, text: RegExp])[] = [
    [
      ['--data', join(folder, 'none')],
      1,
      /no gateway runs with the data folder .*\n {2}name its folder with --data/,
    ],
    [['--url', url], 7, /answers 401: .*\n {2}give a token that may do GET:\/api\/peers/],
    [['--url', url, '--token-file', file], 7, /answers 403: /],
    [['--url', `${url}/none`, '--token-file', file], 7, /answers 403: /],
    [['--url', 'http://127.0.0.1:1'], 1, /does not answer: .*\n {2}start the gateway with --http/],
    [['--url', 'coap://127.0.0.1'], 64, /is no address of an HTTP endpoint/],
  ];
  for (const [args, exitCode, text] of cases) {
    const result = await run(['peers', ...args]);
    assert.equal(result.exitCode, exitCode, result.stderr);
    assert.match(result.stderr, text);
    assert.equal(result.stdout, '');
  }
  if (onWindows === false) {
    const nobody = await run(['peers', '--data', folder]);
    assert.deepEqual([nobody.exitCode, nobody.stdout], [0, '']);
    assert.match(nobody.stderr, /nobody is connected/);
  }
});

test('the socket is for its owner, goes with the gateway, and takes the place of one that a killed process left', {
  skip: onWindows,
}, async (t) => {
  const folder = temporaryFolder(t);
  const path = operatorSocketPath(folder);
  // A socket whose process was killed leaves its file: another name of it stays when the server goes.
  const killed = createServer().listen(path);
  await once(killed, 'listening');
  const { linkSync, renameSync } = process.getBuiltinModule('node:fs');
  linkSync(path, `${path}.left`);
  killed.close();
  await once(killed, 'close');
  renameSync(`${path}.left`, path);
  const options = {
    dataFolder: folder,
    coap: { host: '127.0.0.1', port: 0 },
    coaps: undefined,
    log: { verbosity: 0, error: assert.fail, warning: () => {}, detail: () => {} },
  };
  const gateway = await Gateway.start(options);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(await askGateway(folder, { ask: 'peers', limit: 10 }), { peers: [], next: null });
  await gateway.close();
  assert.equal(existsSync(path), false);
});

test('a question that is none gets an error, and a folder whose path is too long has no socket', {
  skip: onWindows,
}, async (t) => {
  const folder = temporaryFolder(t);
  const told: string[] = [];
  const operations = { peers: async () => ({ peers: [], next: null }), devicesChanged: async () => {} };
  const socket = await OperatorSocket.open(folder, operations, (text) => told.push(text));
  assert.ok(socket !== undefined);
  t.after(() => socket.close());
  for (const line of [
    '{}',
    'null',
    'x',
    '{"ask":"secrets"}',
    '{"ask":"peers","limit":0}',
    '{"ask":"peers","limit":"9"}',
    '{"ask":"peers","limit":5,"after":7}',
    'x'.repeat(10_000),
  ]) {
    const asking = connect(operatorSocketPath(folder));
    asking.on('error', () => {});
    asking.write(`${line}\n`);
    let answer = '';
    for await (const chunk of asking) answer += chunk;
    assert.equal(typeof JSON.parse(answer).error, 'string', line.slice(0, 40));
  }
  const long = join(folder, 'x'.repeat(120));
  assert.equal(await OperatorSocket.open(long, operations, (text) => told.push(text)), undefined);
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /is too long for a socket/);
});
