import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Client, content, Server } from 'coapsule';
import type { AccessSettings } from '../../src/access/configured-access.ts';
import { parsePath } from '../../src/access/rule.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway } from './test-gateway.ts';

const key = 'MySecret16ByteK!';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function settings(given: Partial<AccessSettings>): AccessSettings {
  return { identities: new Map(), groups: [], resources: [], ...given };
}

function demand(path: string, requires?: 'either' | 'oscore' | 'dtls', freshWithinSeconds?: number) {
  const parsed = parsePath(path);
  assert.ok(typeof parsed !== 'string');
  return { path: parsed, requires, freshWithinSeconds };
}

/** A folder with devices that may do what these rules say. */
function folderWith(t: TestContext, devices: Readonly<Record<string, readonly string[]>>): string {
  const folder = temporaryFolder(t);
  const opened = openDatabase(folder, { create: true, asGateway: false });
  const table = new DeviceTable(opened);
  for (const [id, rules] of Object.entries(devices))
    table.add({ id, credential: { kind: 'psk', key: bytes(key) }, rules, addedAtMs: 0 });
  opened.close();
  return folder;
}

test('rules of groups and identities count besides those of the store: 4.03 for the wrong one, 4.01 for nobody', async (t) => {
  const dataFolder = folderWith(t, { 'nurse-1': ['GET:/sensors/own'], monitor: ['PUT:/sensors/monitor/*'] });
  const { coap, coaps, client } = await startTestGateway(t, {
    dataFolder,
    psks: [
      { identity: 'admin', key: bytes(key) },
      { identity: 'cli', key: bytes(key) },
    ],
    access: settings({
      identities: new Map([['admin', ['*:/sensors/*']]]),
      groups: [{ members: ['nurse-*'], rules: ['GET:/sensors/monitor/*'] }],
    }),
  });
  const as = (identity: string): Client => client(identity, key);
  assert.equal(
    (await as('monitor').put(`${coaps}/sensors/monitor/pulse`, { payload: '61' })).codeText,
    '2.01',
  );
  assert.equal((await as('nurse-1').get(`${coaps}/sensors/monitor/pulse`)).text(), '61');
  assert.equal(
    (await as('nurse-1').put(`${coaps}/sensors/monitor/pulse`, { payload: '0' })).codeText,
    '4.03',
  );
  assert.equal((await as('monitor').get(`${coaps}/sensors/monitor/pulse`)).codeText, '4.03');
  assert.equal((await as('admin').put(`${coaps}/sensors/any`, { payload: '1' })).codeText, '2.01');
  // What is said of this very identity replaces the default: /sensor is not among it.
  assert.equal((await as('admin').put(`${coaps}/sensor`, { payload: '1' })).codeText, '4.03');
  assert.equal((await as('cli').put(`${coaps}/sensor`, { payload: '1' })).codeText, '2.01');
  assert.equal((await client().get(`${coap}/sensors/monitor/pulse`)).codeText, '4.01');
});

test('nobody gets the rules of a name by a published key or by the one key for all names', async (t) => {
  const access = settings({ groups: [{ members: ['*'], rules: ['*:/sensors/*'] }] });
  const demo = await startTestGateway(t, { demo: true, access });
  const any = await startTestGateway(t, { anyIdentityKey: bytes('MySecret16ByteKK'), access });
  const asDemo = demo.client('sensor-042', key);
  assert.equal((await asDemo.put(`${demo.coaps}/sensors/other`, { payload: '1' })).codeText, '4.03');
  const asAny = any.client('whoever', 'MySecret16ByteKK');
  assert.equal((await asAny.put(`${any.coaps}/sensors/other`, { payload: '1' })).codeText, '4.03');
});

test('a path that has to be secured is not served over plain coap, public or not', async (t) => {
  const { coap, coaps, client } = await startTestGateway(t, {
    demo: true,
    access: settings({ resources: [demand('/hello', 'either'), demand('/light', 'oscore')] }),
  });
  assert.equal((await client().get(`${coap}/hello`)).codeText, '4.01');
  assert.equal((await client().get(`${coap}/obs`)).codeText, '2.05');
  const secured = client('sensor-042', key);
  assert.equal((await secured.get(`${coaps}/hello`)).codeText, '2.05');
  assert.match((await secured.get(`${coaps}/light`)).diagnostic ?? '', /requires OSCORE/);
});

test('a path that has to be fresh asks for Echo, and a client that knows it gets through', async (t) => {
  const { gateway, coaps, client } = await startTestGateway(t, {
    psks: [{ identity: 'valve', key: bytes(key) }],
  });
  const answers: string[] = [];
  const asking = client('valve', key, {
    trace: (event) => {
      if (event.kind === 'message' && event.direction === 'received') answers.push(event.address.key);
    },
  });
  const put = async (path: string): Promise<number> => {
    answers.length = 0;
    assert.match((await asking.put(`${coaps}${path}`, { payload: '1' })).codeText, /^2\.0[14]$/);
    return answers.length;
  };
  assert.equal(await put('/sensors/valve/a'), 1);
  await gateway.reconfigure({
    psks: [{ identity: 'valve', key: bytes(key) }],
    access: settings({ resources: [demand('/sensors/valve/*', undefined, 10)] }),
  });
  // 4.01 with Echo first.
  assert.equal(await put('/sensors/valve/a'), 2);
  assert.equal(await put('/sensors/valve'), 1);
});

test('rules that are told anew count at once, without a handshake', async (t) => {
  const psks = [{ identity: 'a', key: bytes(key) }];
  const { gateway, coaps, client } = await startTestGateway(t, { psks });
  let handshakes = 0;
  const asking = client('a', key, { trace: ({ kind }) => void (kind === 'connected' && handshakes++) });
  const code = async (): Promise<string> =>
    (await asking.put(`${coaps}/sensors/b`, { payload: '1' })).codeText;
  assert.equal(await code(), '4.03');
  await gateway.reconfigure({
    psks,
    access: settings({ groups: [{ members: ['a'], rules: ['PUT:/sensors/b'] }] }),
  });
  assert.equal(await code(), '2.01');
  await gateway.reconfigure({ psks });
  assert.equal(await code(), '4.03');
  assert.equal(handshakes, 1);
});

test('other servers behind the gateway may have to be secured as well', async (t) => {
  const upstream = new Server().resource('/*', { get: () => content('there') });
  t.after(() => upstream.close());
  const { uri } = await upstream.listen('coap://127.0.0.1:0');
  const { coaps, client } = await startTestGateway(t, {
    psks: [{ identity: 'a', key: bytes(key) }],
    upstreams: [{ path: '/cloud', uri, client: {} }],
    access: settings({
      identities: new Map([['a', ['GET:/cloud/*']]]),
      resources: [demand('/cloud/secret/*', 'oscore')],
    }),
  });
  const asking = client('a', key);
  assert.equal((await asking.get(`${coaps}/cloud/x`)).text(), 'there');
  assert.equal((await asking.get(`${coaps}/cloud/secret/x`)).codeText, '4.01');
});

test('refusals are audited: by identity where one was proved, by address else, and no key is written', async (t) => {
  const { gateway, folder, coap, coaps, client } = await startTestGateway(t, {
    psks: [{ identity: 'a', key: bytes(key) }],
  });
  const asking = client('a', key);
  for (let n = 0; n < 5; n++) await asking.put(`${coaps}/sensors/other`, { payload: 'secret' });
  await client().get(`${coap}/sensors/a`);
  // A server says nothing to these, so that they wait.
  await Promise.all([
    assert.rejects(client('a', 'WrongKeyOf16Byte').get(`${coaps}/sensors/a`)),
    assert.rejects(client('nobody', key).get(`${coaps}/sensors/a`)),
  ]);
  await gateway.close();
  const [own, strangers] = ['refusals', 'strangers'].map((name) =>
    readFileSync(join(folder, `audit-${name}.ndjson`), 'utf8'),
  );
  assert.ok(!own?.includes('127.0.0.1"'), 'who has proved an identity has a file of his own');
  const text = `${own}${strangers}`;
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines
      .map(({ reason, peer, path, claimed, repeated }) =>
        [reason, peer, path ?? claimed, repeated ?? 0].join(' '),
      )
      .sort(),
    [
      'forbidden a /sensors/other 0',
      'forbidden a /sensors/other 4',
      'handshake-psk-mismatch 127.0.0.1 a 0',
      'handshake-unknown-identity 127.0.0.1 nobody 0',
      'unauthorized 127.0.0.1 /sensors/a 0',
    ],
  );
  assert.ok(!/secret|MySecret|WrongKey/.test(text));
});
