/** Two credentials of one device that both count for a while: who gets in, what goes on, and when it ends. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { defaultRules, ruleText } from '../../src/access/rule.ts';
import { LiveConfiguration } from '../../src/gateway/live-configuration.ts';
import { ReviewedDevices } from '../../src/gateway/reviewed-devices.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { Store } from '../../src/store/store.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway } from './test-gateway.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const [oldKey, newKey] = ['the old key of sixteen', 'the new key of sixteen'];
const startMs = 1_700_000_000_000;
const untilMs = startMs + 7 * 86_400_000;

/** A folder with one device, as `coapsule device` in another process sees it, and a clock to set. */
function meter(t: TestContext): { folder: string; devices: DeviceTable; clock: { now: number } } {
  const folder = temporaryFolder(t);
  const opened = openDatabase(folder, { create: true, asGateway: false });
  t.after(() => opened.close());
  const devices = new DeviceTable(opened);
  devices.add({
    id: 'meter',
    credential: { kind: 'psk', key: bytes(oldKey) },
    rules: defaultRules('meter').map(ruleText),
    addedAtMs: 1,
  });
  return { folder, devices, clock: { now: startMs } };
}

test('while two keys count both get in, and an association of the old one goes on until its time is over', async (t) => {
  const { folder, devices, clock } = meter(t);
  const { coaps, client, log } = await startTestGateway(t, { dataFolder: folder, clock: () => clock.now });
  const early = client('meter', oldKey);
  await early.put(`${coaps}/sensors/meter`, { payload: '1' });
  devices.rotate('meter', { kind: 'psk', key: bytes(newKey) }, startMs, { untilMs, endsWithUse: false });

  const renewed = client('meter', newKey);
  assert.equal((await renewed.put(`${coaps}/sensors/meter`, { payload: '2' })).codeText, '2.04');
  const late = client('meter', oldKey);
  assert.equal((await late.put(`${coaps}/sensors/meter`, { payload: '3' })).codeText, '2.04');
  const kept = await early.put(`${coaps}/sensors/meter`, { payload: '4' });
  assert.deepEqual([kept.codeText, kept.handshakeMs], ['2.04', undefined]);
  assert.ok(!log.lines.some((line) => line.includes('ended: local')));

  clock.now = untilMs;
  devices.allow('meter', ['PUT:/sensors/meter', 'GET:/sensors/meter']);
  await log.waitFor(/ended: local/);
  const after = await renewed.put(`${coaps}/sensors/meter`, { payload: '5' });
  assert.deepEqual([after.codeText, after.handshakeMs], ['2.04', undefined]);
  await assert.rejects(client('meter', oldKey).get(`${coaps}/sensors/meter`), { code: 'ERR_CREDENTIALS' });
});

test('an overlap until the first use ends with it, in the store and in the audit too', async (t) => {
  const { folder, devices, clock } = meter(t);
  const { coaps, client, log } = await startTestGateway(t, { dataFolder: folder, clock: () => clock.now });
  const early = client('meter', oldKey);
  await early.put(`${coaps}/sensors/meter`, { payload: '1' });
  devices.rotate('meter', { kind: 'psk', key: bytes(newKey) }, startMs, { untilMs, endsWithUse: true });
  await client('meter', oldKey).put(`${coaps}/sensors/meter`, { payload: '2' });
  assert.equal(devices.find('meter')?.previous?.keyVersion, 1, 'the use of the old one ends nothing');

  const renewed = client('meter', newKey);
  await renewed.put(`${coaps}/sensors/meter`, { payload: '3' });
  await log.waitFor(/^meter uses its new credential; the one before does not count any more$/);
  await log.waitFor(/ended: local/);
  assert.equal(devices.find('meter')?.previous, undefined);
  await assert.rejects(client('meter', oldKey).get(`${coaps}/sensors/meter`), { code: 'ERR_CREDENTIALS' });
  const kept = await renewed.put(`${coaps}/sensors/meter`, { payload: '4' });
  assert.equal(kept.handshakeMs, undefined);
  const audit = readFileSync(join(folder, 'audit-changes.ndjson'), 'utf8');
  assert.match(audit, /"event":"credential-retired","how":"first use of the new one","device":"meter"/);
});

test('over a restart an association of the old key goes on while that counts, and is forgotten after it', async (t) => {
  const { folder, devices, clock } = meter(t);
  const options = { dataFolder: folder, clock: () => clock.now };
  let running = await startTestGateway(t, options);
  const { port } = new URL(running.coaps);
  const coaps = { host: '127.0.0.1', port: Number(port) };
  const early = running.client('meter', oldKey);
  await early.put(`${running.coaps}/sensors/meter`, { payload: '1' });
  devices.rotate('meter', { kind: 'psk', key: bytes(newKey) }, startMs, { untilMs, endsWithUse: false });
  for (const [nowMs, goOn] of [
    [untilMs - 1, 1],
    [untilMs, 0],
  ] as const) {
    await running.gateway.close();
    clock.now = nowMs;
    running = await startTestGateway(t, { ...options, coaps });
    await running.log.waitFor(new RegExp(`${goOn} of 1 secured associations go on without a handshake`));
  }
});

test('an earlier rotation with an overlap counts no more than the last one says', async (t) => {
  const { devices } = meter(t);
  const overlap = { untilMs, endsWithUse: false };
  devices.rotate('meter', { kind: 'psk', key: bytes(newKey) }, startMs, overlap);
  devices.rotate('meter', { kind: 'rpk', fingerprint: 'sha256:aa' }, startMs, overlap);
  const twice = devices.find('meter');
  assert.deepEqual([twice?.keyVersion, twice?.previous?.keyVersion], [3, 2]);
  assert.deepEqual(twice?.previous?.credential, { kind: 'psk', key: bytes(newKey) });
  devices.rotate('meter', { kind: 'psk', key: bytes('a third key of sixteen') }, startMs, overlap);
  assert.equal(devices.findByFingerprint('sha256:aa')?.id, 'meter', 'what it had before is its own still');
  devices.rotate('meter', { kind: 'psk', key: bytes('a fourth key of sixteen') }, startMs);
  assert.equal(devices.find('meter')?.previous, undefined, 'without an overlap nothing before counts');
  assert.equal(devices.findByFingerprint('sha256:aa'), undefined);
});

test('when the time of a key is over its associations are compared, without anybody writing', async (t) => {
  const { folder, devices, clock } = meter(t);
  await using store = await Store.open(folder, { watchIntervalMs: 5 });
  devices.rotate('meter', { kind: 'psk', key: bytes(newKey) }, startMs, { untilMs, endsWithUse: false });
  const [stampBefore, stampNow] = ['store:1 1', 'store:1 2'];
  const delays: number[] = [];
  const planned = Promise.withResolvers<() => void>();
  const ended = Promise.withResolvers<unknown>();
  const peers = [stampBefore, stampNow].map((context) => ({
    ...{ kind: 'dtls', identity: 'meter', association: context, context },
    authentication: { kind: 'psk' },
  }));
  const listener = {
    peers: () => peers,
    disconnect: (which: (peer: unknown) => boolean) => ended.resolve(peers.filter((peer) => which(peer))),
  };
  const reviewed = new ReviewedDevices({
    store,
    live: new LiveConfiguration({}),
    demo: false,
    listeners: [listener] as never,
    clock: () => clock.now,
    timer: {
      after: (delayMs, action) => {
        delays.push(delayMs);
        planned.resolve(action);
        return () => {};
      },
    },
    onError: (error) => planned.reject(error),
  });
  t.after(() => reviewed.stop());
  reviewed.changed();
  const due = await planned.promise;
  assert.deepEqual(delays, [3_600_000], 'it looks at the clock again every hour');
  assert.equal((await reviewed.directory.rules('meter', stampBefore))?.length, 3);
  clock.now = untilMs;
  due();
  assert.deepEqual(await ended.promise, [peers[0]]);
  assert.equal(await reviewed.directory.rules('meter', stampBefore), undefined);
  assert.equal((await reviewed.directory.rules('meter', stampNow))?.length, 3);
});
