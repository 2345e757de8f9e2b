import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Store } from '../../src/store/store.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway } from './test-gateway.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('devices that come back are compared once with the store at the start and once after it, all in one question', async (t) => {
  const folder = temporaryFolder(t);
  const anyIdentityKey = bytes('one key for them all');
  const names = Array.from({ length: 20 }, (_, i) => `device-${i}`);
  const options = { dataFolder: folder, anyIdentityKey, coap: undefined };
  const first = await startTestGateway(t, options);
  for (const name of names) {
    const client = first.client(name, 'one key for them all');
    assert.ok((await client.put(`${first.coaps}/sensors/${name}`, { payload: '1' })).ok);
  }
  await first.gateway.close();
  const asked: number[] = [];
  const { keyVersions } = Store.prototype;
  t.mock.method(Store.prototype, 'keyVersions', function (this: Store, ids: readonly string[]) {
    asked.push(ids.length);
    return keyVersions.call(this, ids);
  });
  const device = t.mock.method(Store.prototype, 'device');
  const second = await startTestGateway(t, options);
  await second.log.waitFor(/^20 of 20 secured associations go on without a handshake$/);
  while (asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(asked, [20, 20], 'by the resumption and by the review after it');
  assert.equal(device.mock.callCount(), 0, 'none by itself');
});
