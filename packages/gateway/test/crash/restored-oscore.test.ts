/** A gateway on a restored folder: what was recorded since the backup is not carried out, and no number comes twice. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client, OscoreContext } from 'coapsule';
import { defaultRules, ruleText } from '../../src/access/rule.ts';
import { backUp } from '../../src/store/backup.ts';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { OscoreTable } from '../../src/store/oscore-table.ts';
import { restore } from '../../src/store/restore.ts';
import { startTestGateway } from '../gateway/test-gateway.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { RecordingRelay } from './recording-relay.ts';

const masterSecret = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
const [deviceId, gatewayId] = [Uint8Array.of(0x0c), Uint8Array.of(0x05)];

test('a request that was recorded after the backup is not carried out on the restored gateway, and the device goes on', async (t) => {
  const folder = join(temporaryFolder(t), 'data');
  const store = openDatabase(folder, { create: true, asGateway: false });
  new DeviceTable(store).add({
    id: 'lamp',
    credential: {
      ...{ kind: 'oscore', masterSecret, masterSalt: undefined, senderId: gatewayId, recipientId: deviceId },
      ...{ idContext: undefined, aead: 'AES-CCM-16-64-128', hkdf: 'SHA-256' },
    },
    rules: defaultRules('lamp').map(ruleText),
    addedAtMs: 1,
  });
  store.close();
  const first = await startTestGateway(t, { dataFolder: folder });
  const port = Number(new URL(first.coap.replace('coap:', 'http:')).port);
  const relay = await RecordingRelay.open(t, port);
  const uri = `coap://127.0.0.1:${relay.port}/sensors/lamp`;
  const oscore = await OscoreContext.open({
    ...{ masterSecret, senderId: deviceId, recipientId: gatewayId, firstUse: true },
    store: { load: async () => undefined, save: async () => {} },
  });
  await using device = new Client({ oscore });
  await device.put(uri, { payload: 'before' });
  const file = join(folder, '..', 'backup.db');
  const nowMs = Date.now();
  await backUp(folder, file, nowMs);
  await device.put(uri, { payload: 'recorded' });
  const [path] = [...relay.devices.values()];
  assert.ok(path !== undefined);
  const recorded = path.fromDevice.at(-1);
  assert.ok(recorded !== undefined);
  await first.gateway.close();

  const target = join(folder, '..', 'restored');
  mkdirSync(target, { mode: 0o700 });
  copyFileSync(join(folder, 'master.key'), join(target, 'master.key'));
  restore(file, target, { kind: 'beside' }, nowMs);
  const second = await startTestGateway(t, { dataFolder: target, coap: { host: '127.0.0.1', port } });
  const answered = once(path.upstream, 'message');
  path.upstream.send(recorded, port, '127.0.0.1');
  await answered;
  assert.equal((await device.get(uri)).text(), 'before', 'what was recorded was not carried out');
  assert.equal((await device.put(uri, { payload: 'after' })).codeText, '2.04');
  assert.equal((await device.get(uri)).text(), 'after');
  await second.gateway.close();
  const left = openDatabase(target, { create: false, asGateway: false });
  const edges = new OscoreTable(left).edges('lamp');
  left.close();
  assert.ok(edges !== undefined && edges.senderEdge > 2 ** 32, 'its own numbers are far above');
  assert.ok(edges.recipientEdge < 1000, 'after a clean end the window is the exact one again');
});
