import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Store } from '../../src/store/store.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { startTestGateway } from './test-gateway.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('devices that come back are compared once with the store at the start and once after it, one after the other', async (t) => {
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
  let asked = 0;
  let atOnce = 0;
  let mostAtOnce = 0;
  const device = Store.prototype.device;
  t.mock.method(Store.prototype, 'device', async function (this: Store, id: string) {
    asked += 1;
    atOnce += 1;
    mostAtOnce = Math.max(mostAtOnce, atOnce);
    try {
      return await device.call(this, id);
    } finally {
      atOnce -= 1;
    }
  });
  const second = await startTestGateway(t, options);
  await second.log.waitFor(/^20 of 20 secured associations go on without a handshake$/);
  assert.equal(mostAtOnce, names.length, 'by the resumption, in groups');
  mostAtOnce = 0;
  while (asked < 2 * names.length || atOnce > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(asked, 2 * names.length);
  assert.ok(mostAtOnce <= 1);
});
