/** The gateway on a disk that is full, with devices under OSCORE: no number and no nonce twice, and service for the others. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from 'coapsule';
import { freeUdpPorts } from '../interop/process.ts';
import { CoapsuleProcess, coapsule } from '../server/gateway-process.ts';
import { smallDisk } from '../store/small-disk.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { RecordingOscoreDevice } from './recording-oscore-device.ts';
import { storedTexts } from './stored-texts.ts';

const key = '0x000102030405060708090a0b0c0d0e0f';

test('on a full disk a device under OSCORE is answered as far as its edge is stored, other devices read on, and nothing repeats', {
  skip: process.platform !== 'linux' && 'a full disk is made with what Linux has for it',
}, async (t) => {
  const disk = smallDisk(t);
  const data = join(disk.folder, 'data');
  const files = join(temporaryFolder(t), 'end');
  for (const id of ['s1', 's2']) {
    const added = await coapsule(
      t,
      ...['device', 'add', id, '--data', data, '--oscore', 'generate', '--oscore-file', `${files}-${id}`],
    );
    assert.equal(added.code, 0, added.stderr);
  }
  const added = await coapsule(t, 'device', 'add', 'd3', '--data', data, '--psk', key);
  assert.equal(added.code, 0, added.stderr);
  const serve = async (address: string): Promise<[CoapsuleProcess, string, string]> => {
    const gateway = new CoapsuleProcess(t, [
      ...['serve', '--data', data, '--coap', address, '--coaps', '127.0.0.1:0', '--http', 'off'],
    ]);
    const { coap = '', coaps = '' } = await gateway.ready();
    return [gateway, coap, coaps];
  };
  let [gateway, coap, coaps] = await serve(`127.0.0.1:${await freeUdpPorts(1)}`);
  const port = Number(coap.split(':').at(-1));
  const pid = gateway.child.pid as number;
  const own = `coap://${coap}/sensors/s1`;
  const psk = { identity: 'd3', key: Buffer.from(key.slice(2), 'hex') };
  const d3 = new Client({ psk });
  assert.equal((await d3.put(`coaps://${coaps}/sensors/d3`, { payload: '7' })).codeText, '2.01');
  const device = await RecordingOscoreDevice.open(t, `${files}-s1`);
  const neighbour = await RecordingOscoreDevice.open(t, `${files}-s2`);
  const [client, other] = [device.client(), neighbour.client()];
  assert.equal((await client.put(own, { payload: 'stored' })).codeText, '2.01');
  assert.equal((await other.put(`coap://${coap}/sensors/s2`, { payload: 'stored' })).codeText, '2.01');

  disk.fill(pid);
  // What is left of the log of the database may take a few writes more; each GET only moves the edge.
  const codes: string[] = [];
  while (codes.at(-1) !== '5.03' && codes.length < 5_000) {
    const { codeText } = await client.get(own);
    codes.push(codeText);
  }
  assert.equal(codes.at(-1), '5.03', `after ${codes.length} requests`);
  assert.deepEqual([...new Set(codes.slice(0, -1))], ['2.05'], 'reading goes on until then');
  for (let round = 0; round < 3; round++) assert.equal((await client.get(own)).codeText, '5.03');
  await gateway.waitFor('stderr', /no space left to write|cannot be used/);

  // Another device under OSCORE has its own edge, and one over DTLS needs none.
  for (let round = 0; round < 5; round++)
    assert.equal((await other.get(`coap://${coap}/sensors/s2`)).text(), 'stored');
  for (let round = 0; round < 50; round++)
    assert.equal((await d3.get(`coaps://${coaps}/sensors/d3`)).text(), '7');
  const refused = await d3.put(`coaps://${coaps}/sensors/d3`, { payload: '8' });
  assert.equal(refused.codeText, '5.03', 'a reading that cannot be stored is not acknowledged');

  // With space it goes on by itself; and over a crash before there is any, too.
  disk.free(pid);
  assert.equal((await client.put(own, { payload: 'with space' })).codeText, '2.04');
  disk.fill(pid);
  await client.get(own);
  await gateway.kill('SIGKILL');
  await client.close();
  disk.free(pid);
  [gateway, coap, coaps] = await serve(coap);
  await device.replay(port);
  await using last = device.client();
  assert.equal((await last.put(own, { payload: 'after the crash' })).codeText, '2.04');
  await device.replay(port);
  await Promise.all([other.close(), d3.close()]);
  assert.equal((await gateway.kill('SIGTERM')).code, 0);

  assert.deepEqual(storedTexts(data, '/sensors/s1'), ['stored', 'with space', 'after the crash']);
});
