/** A firmware that is brought to a gateway which is killed again and again. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from 'coapsule';
import { SeededRandom } from 'coapsule/testing';
import { freeUdpPorts } from '../interop/process.ts';
import { CoapsuleProcess } from '../server/gateway-process.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const isLong = process.env['COAPSULE_LONG'] === '1';
// A client that hears nothing waits 3, 6 and 12 s before it asks again.
const rounds = isLong ? 8 : 1;
const size = isLong ? 5_000_000 : 1_000_000;
const psk = { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') };

test(`kill -9 in the middle of an upload of ${size} bytes: the client goes on, and the whole is right (${rounds} ${rounds === 1 ? 'kill' : 'kills'})`, async (t) => {
  const data = temporaryFolder(t);
  const port = await freeUdpPorts(1);
  const serve = (): CoapsuleProcess =>
    new CoapsuleProcess(t, [
      'serve',
      '--demo',
      ...['--data', data, '--coap', 'off', '--coaps', `127.0.0.1:${port}`],
    ]);
  let gateway = serve();
  await gateway.ready();
  const bytes = new SeededRandom(9).fill(new Uint8Array(size));
  const file = join(data, 'image.bin');
  writeFileSync(file, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const uri = `coaps://127.0.0.1:${port}/firmware/pump/1`;
  const putting = new CoapsuleProcess(t, [
    ...['firmware', 'put', uri, '-f', file, '-u', psk.identity, '-k', 'MySecret16ByteK!'],
  ]);
  let before = 0;
  for (let round = 0; round < rounds; round++) {
    const killAt = before + ((size - before) / (rounds - round + 1)) * (0.4 + 0.1 * (round % 5));
    await using watcher = new Client({ psk });
    for (let received = 0; received < killAt; ) {
      const state = await watcher.get(`${uri}/upload`);
      received = state.ok ? JSON.parse(state.text()).received : 0;
      if (state.ok) before = received;
    }
    assert.equal((await gateway.kill('SIGKILL')).signal, 'SIGKILL');
    gateway = serve();
    await gateway.ready();
    await using after = new Client({ psk });
    assert.equal((await after.get(uri)).codeText, '4.04', 'a part is never seen');
    const { received } = JSON.parse((await after.get(`${uri}/upload`)).text());
    assert.ok(received >= before, `${received} of ${before} bytes that were there`);
  }
  const ended = await putting.ended;
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(ended.stderr.match(/the gateway has \d+ of/g)?.length, rounds, ended.stderr);
  await using device = new Client({ psk });
  const got = await device.get(uri);
  assert.equal(createHash('sha256').update(got.payload).digest('hex'), sha256);
  assert.deepEqual(readdirSync(join(data, 'firmware')), [`${sha256}.bin`]);
});
