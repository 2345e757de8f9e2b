import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { startTestGateway } from './test-gateway.ts';

test('a reading that the store cannot take is answered 5.03 with a retry hint, and not acknowledged as stored', async (t) => {
  const { coap, client, folder, log } = await startTestGateway(t, { dangerouslyAllowPlainWrites: true });
  const plain = client();
  assert.equal((await plain.put(`${coap}/sensors/a`, { payload: '1' })).codeText, '2.01');
  const other = new DatabaseSync(join(folder, 'coapsule.db'));
  other.exec("CREATE TRIGGER full BEFORE INSERT ON reading BEGIN SELECT RAISE(ABORT, 'no more'); END");
  const refused = await plain.put(`${coap}/sensors/a`, { payload: '2' });
  assert.deepEqual([refused.codeText, refused.maxAgeSeconds], ['5.03', 30]);
  await log.waitFor(/cannot be used: no more/);
  other.exec('DROP TRIGGER full');
  other.close();
  assert.equal((await plain.get(`${coap}/sensors/a`)).text(), '1');
  assert.equal((await plain.put(`${coap}/sensors/a`, { payload: '3' })).codeText, '2.04');
});
