/**
 * What `coapsule device` changes counts when the command has ended: the gateway in these tests looks at its store by itself once an
 * hour, so that nothing but the command's question can have told it.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { operatorSocketPath } from '../../src/operations/operator-socket.ts';
import { startTestGateway } from '../gateway/test-gateway.ts';
import { coapsule } from '../interop/programs.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const skip = process.platform === 'win32' && 'Windows has no such sockets';
const key = '0x00112233445566778899aabbccddeeff';

for (const workers of [1, 2]) {
  test(`a device is known, or unknown, when the command line has said so, with ${workers} workers`, {
    skip,
  }, async (t) => {
    const { folder, coap, coaps } = await startTestGateway(t, { workers, watchIntervalMs: 3_600_000 });
    const place = temporaryFolder(t);
    const run = async (...args: string[]): Promise<string> => {
      const { code, output } = await coapsule(t, ...args);
      assert.equal(code, 0, output);
      return output;
    };
    const device = (name: string, ...args: string[]) => run('device', name, ...args, '--data', folder);
    for (const id of ['field-1', 'field-2']) {
      const file = join(place, `${id}.oscore`);
      const told = await device('add', id, '--oscore', 'generate', '--oscore-file', file);
      assert.doesNotMatch(told, /within a second/);
      await run('put', `${coap}/sensors/${id}`, '-e', '22.5', '--oscore', file);
    }
    const before = join(place, 'field-1.oscore');
    await device('rotate', 'field-1', '--oscore', 'generate', '--oscore-file', join(place, 'new.oscore'));
    const old = await coapsule(t, 'put', `${coap}/sensors/field-1`, '-e', '22.5', '--oscore', before);
    assert.match(old.output, /Security context not found/);
    await run('put', `${coap}/sensors/field-1`, '-e', '22.5', '--oscore', join(place, 'new.oscore'));

    // Asked before it is there, so that a thread could remember that there is none.
    const put = ['put', `${coaps}/sensors/meter`, '-e', '1', '-u', 'meter', '-k', key] as const;
    assert.notEqual((await coapsule(t, ...put)).code, 0);
    await device('add', 'meter', '--psk', key);
    await run(...put);
    await device('allow', 'meter', 'GET:/sensors/meter');
    assert.match((await coapsule(t, ...put)).output, /4\.03/);
    await device('remove', 'meter');
    assert.notEqual((await coapsule(t, ...put)).code, 0);
  });
}

test('a gateway that cannot be asked is told to be the one that looks itself', { skip }, async (t) => {
  const { folder } = await startTestGateway(t);
  // A socket of an older gateway, which knows no such question.
  rmSync(operatorSocketPath(folder));
  const older = createServer((socket) => socket.end('{"error":"this gateway does not know the question"}\n'));
  await new Promise<void>((opened) => older.listen(operatorSocketPath(folder), opened));
  t.after(() => older.close());
  const { code, output } = await coapsule(t, 'device', 'add', 'a', '--psk', key, '--data', folder);
  assert.equal(code, 0, output);
  assert.match(output, /does not know the question.*within a second/);
});
