/** Another process holds the database: a backup that takes long, a tool that was left open. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { startTestGateway } from './test-gateway.ts';

test('while another process locks the store readings are answered 5.03, with the cause in the log, and go on when it lets go: each once', async (t) => {
  const { coap, client, folder, log } = await startTestGateway(t, { dangerouslyAllowPlainWrites: true });
  const plain = client();
  const put = async (payload: string): Promise<readonly unknown[]> => {
    const { codeText, maxAgeSeconds } = await plain.put(`${coap}/sensors/a`, { payload, whenBusy: 'send' });
    return codeText === '5.03' ? [codeText, maxAgeSeconds] : [codeText];
  };
  assert.deepEqual(await put('1'), ['2.01']);
  const other = new DatabaseSync(join(folder, 'coapsule.db'));
  t.after(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  assert.deepEqual(await put('2'), ['5.03', 30]);
  await log.waitFor(/stayed locked by another process; wait for the other process to end, then try again/);
  // Who only reads is answered as ever.
  assert.equal((await plain.get(`${coap}/sensors/a`, { whenBusy: 'send' })).text(), '1');
  other.exec('ROLLBACK');
  assert.deepEqual(await put('3'), ['2.04']);
  const all = other.prepare('SELECT value FROM reading ORDER BY id').all() as { value: Uint8Array }[];
  assert.deepEqual(
    all.map(({ value }) => Buffer.from(value).toString()),
    ['1', '3'],
  );
});
