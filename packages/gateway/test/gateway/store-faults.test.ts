import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { errorLogger, unknownIdentityLogger } from '../../src/gateway/request-log.ts';
import { StoreFault } from '../../src/store/store-fault.ts';
import { startTestGateway } from './test-gateway.ts';

test('look-ups of keys that fail are told at a bounded rate, with the number of those held back', async () => {
  const lines: string[] = [];
  let now = 0;
  const add = (line: string): void => void lines.push(line);
  const log = { verbosity: 0, error: add, warning: add, detail: () => {} };
  const logError = errorLogger(log, () => now);
  const logUnknown = unknownIdentityLogger(log, () => now);
  for (let times = 0; times < 500; times += 1) {
    logError(new StoreFault('failed', 'no disk', 'get one'));
    logUnknown(`name\n${times}`);
  }
  assert.equal(lines.length, 40);
  now += 10_000;
  lines.length = 0;
  logError(new StoreFault('failed', 'no disk', 'get one'));
  logUnknown('x');
  assert.deepEqual(lines, [
    '480 more errors, not shown',
    'no disk; get one',
    '480 more unknown identities, not shown',
    'a handshake names the identity x, which is no device here',
  ]);
});

test('a request that a handler refuses is in the log with its code', async (t) => {
  const { coap, client, log } = await startTestGateway(t, { dangerouslyAllowPlainWrites: true });
  const plain = client();
  assert.equal((await plain.get(`${coap}/sensors/none`)).codeText, '4.04');
  await log.waitFor(/^GET \/sensors\/none 4\.04 Not Found from /);
});

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
  const whenBusy = 'send';
  assert.equal((await plain.get(`${coap}/sensors/a`, { whenBusy })).text(), '1');
  assert.equal((await plain.put(`${coap}/sensors/a`, { payload: '3', whenBusy })).codeText, '2.04');
});

test('a reading whose edge cannot be stored is neither stored nor acknowledged, and both are when the disk takes them', async (t) => {
  const key = 'key of sensor one';
  const psks = [{ identity: 'sensor-1', key: new TextEncoder().encode(key) }];
  const { coaps, client, folder } = await startTestGateway(t, { psks });
  const device = client('sensor-1', key);
  const uri = `${coaps}/sensors/sensor-1`;
  assert.equal((await device.put(uri, { payload: '1' })).codeText, '2.01');
  const other = new DatabaseSync(join(folder, 'coapsule.db'));
  t.after(() => other.close());
  const stored = (): unknown[] => [
    other.prepare('SELECT count(*) AS n FROM reading').get()?.['n'],
    other.prepare('SELECT edge FROM association').get()?.['edge'],
  ];
  const [, edge] = stored() as number[];
  other.exec(
    "CREATE TRIGGER broken BEFORE UPDATE OF edge ON association BEGIN SELECT RAISE(ABORT, 'I/O'); END",
  );
  const again = { payload: '2', whenBusy: 'send' } as const;
  assert.equal((await device.put(uri, again)).codeText, '5.03');
  assert.equal((await device.put(uri, again)).codeText, '5.03');
  assert.deepEqual(stored(), [1, edge]);
  other.exec('DROP TRIGGER broken');
  assert.equal((await device.put(uri, again)).codeText, '2.04');
  assert.deepEqual(stored(), [2, (edge ?? 0) + 3]);
});
