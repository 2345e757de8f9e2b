/** What a gateway has without `--demo`: a collection, a configuration, a setpoint, a lock; guarded, and there after a restart. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AccessSettings } from '../../src/access/configured-access.ts';
import { KeptText } from '../../src/resources/kept-text.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const keys = { admin: 'key of the administrator', door: 'key of the door', '7': 'key of the device 7' };
const access: AccessSettings = {
  identities: new Map([
    [
      'admin',
      ['*:/config', '*:/config/*', '*:/admin/*', '*:/lock', '*:/thermostat/*', '*:/sensors', '*:/sensors/*'],
    ],
    ['door', ['GET:/lock', 'GET:/config']],
  ]),
  groups: [],
  resources: [],
};
const psks = Object.entries(keys).map(([identity, key]) => ({
  identity,
  key: new TextEncoder().encode(key),
}));

function start(t: TestContext, dataFolder: string): Promise<TestGateway> {
  return startTestGateway(t, { psks, access, dataFolder, dangerouslyAllowPlainWrites: true });
}

test('nobody uses them over plain CoAP, whatever is open there, and nobody without a rule', async (t) => {
  const { coap, coaps, client } = await start(t, temporaryFolder(t));
  const plain = client();
  const [admin, door] = [client('admin', keys.admin), client('door', keys.door)];
  for (const path of ['/config', '/config/interval', '/admin/config', '/lock', '/thermostat/setpoint']) {
    assert.equal((await plain.get(coap + path)).codeText, '4.01', path);
    assert.equal((await plain.put(coap + path, { payload: 'unlock' })).codeText, '4.01', path);
    assert.equal((await admin.get(coaps + path)).codeText, '2.05', path);
    assert.equal((await door.put(coaps + path, { payload: 'unlock' })).codeText, '4.03', path);
  }
  assert.equal((await door.get(`${coaps}/lock`)).text(), 'locked');
  assert.equal((await door.post(`${coaps}/sensors`, { payload: '1' })).codeText, '4.03');
});

test('what was set and created is there after a restart, with the same ETag, and no number is given twice', async (t) => {
  const folder = temporaryFolder(t);
  let etag: Uint8Array | undefined;
  {
    const { coaps, client, gateway } = await start(t, folder);
    const admin = client('admin', keys.admin);
    const put = async (path: string, payload: string) => {
      assert.equal((await admin.put(coaps + path, { payload })).codeText, '2.04', path);
    };
    await put('/config', '{"unit":"Cel","interval":30}');
    await put('/config/interval', '45');
    await put('/admin/config', 'level=3');
    await put('/lock', 'unlock');
    await put('/thermostat/setpoint', '22.5');
    etag = (await admin.get(`${coaps}/config`)).etag;
    const made = async (payload: string) => (await admin.post(`${coaps}/sensors`, { payload })).locationPath;
    assert.deepEqual([await made('a'), await made('b')], ['/sensors/42', '/sensors/43']);
    await put('/sensors/42', 'a2');
    assert.equal((await admin.delete(`${coaps}/sensors/43`)).codeText, '2.02');
    assert.equal((await admin.get(`${coaps}/sensors/43`)).codeText, '4.04');
    await admin.close();
    await gateway.close();
  }
  const { coaps, client } = await start(t, folder);
  const admin = client('admin', keys.admin);
  const text = async (path: string): Promise<string> => (await admin.get(coaps + path)).text();
  assert.equal(await text('/config'), '{"unit":"Cel","interval":45}');
  assert.equal((await admin.get(`${coaps}/config`, { etag: etag ?? [] })).codeText, '2.03');
  assert.deepEqual(
    [await text('/config/interval'), await text('/admin/config'), await text('/lock')],
    ['45', 'level=3', 'unlocked'],
  );
  assert.equal(await text('/thermostat/setpoint'), '22.5');
  assert.equal(await text('/sensors/42'), 'a2');
  assert.equal((await admin.get(`${coaps}/sensors/43`)).codeText, '4.04');
  assert.equal(await text('/sensors'), '</sensors/42>');
  const third = await admin.post(`${coaps}/sensors`, { payload: 'c' });
  assert.equal(third.locationPath, '/sensors/44');
});

test('a number that a device or its readings have is passed over', async (t) => {
  const { coaps, client } = await start(t, temporaryFolder(t));
  const admin = client('admin', keys.admin);
  assert.equal((await admin.put(`${coaps}/sensors/42`, { payload: 'a reading' })).codeText, '2.01');
  assert.equal((await admin.post(`${coaps}/sensors`, { payload: 'x' })).locationPath, '/sensors/43');
  assert.equal((await admin.get(`${coaps}/sensors/42`)).text(), 'a reading');
});

test('who observes an entry hears of a change, and that it is gone', async (t) => {
  const { coaps, client } = await start(t, temporaryFolder(t));
  const admin = client('admin', keys.admin);
  const uri = `${coaps}/sensors/42`;
  await admin.post(`${coaps}/sensors`, { payload: 'one' });
  const seen: string[] = [];
  for await (const notification of admin.observe(uri)) {
    seen.push(notification.ok ? notification.text() : notification.codeText);
    if (seen.length === 1) await admin.put(uri, { payload: 'two' });
    if (seen.length === 2) await admin.delete(uri);
    if (!notification.ok) break;
  }
  assert.deepEqual(seen, ['one', 'two', '4.04']);
});

test('changes of one text come one after the other: of two with the same If-Match one finds it changed', async () => {
  const kept = KeptText.inStore({ changeStates: () => Promise.resolve() }, [], '/config', 'a');
  const change = (to: string) =>
    kept.change((before) => {
      if (before !== 'a') throw new Error(`it is ${before} already`);
      return to;
    });
  const [first, second] = await Promise.allSettled([change('b'), change('c')]);
  assert.equal(first.status, 'fulfilled');
  assert.match(`${second.status === 'rejected' && second.reason}`, /it is b already/);
  assert.equal(kept.text, 'b');
});

test('a text that the store does not take stays as it was', async () => {
  let isFull = true;
  const changeStates = (): Promise<void> =>
    isFull ? Promise.reject(new Error('disk full')) : Promise.resolve();
  const kept = KeptText.inStore({ changeStates }, [], '/lock', 'locked');
  await assert.rejects(
    kept.change(() => 'unlocked'),
    /disk full/,
  );
  assert.equal(kept.text, 'locked');
  isFull = false;
  await kept.change(() => 'unlocked');
  assert.equal(kept.text, 'unlocked');
});
