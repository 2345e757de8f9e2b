/** OSCORE devices of the gateway's store, with the real programs: added and rotated while it runs, and over kill -9 of it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseOscoreConf } from '../../src/cli/oscore-conf.ts';
import { openDatabase } from '../../src/store/database.ts';
import { OscoreTable } from '../../src/store/oscore-table.ts';
import { freeUdpPorts } from '../interop/process.ts';
import { CoapsuleProcess, coapsule } from '../server/gateway-process.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const { COAPSULE_LONG } = process.env;
const kills = COAPSULE_LONG === '1' ? 50 : 3;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

async function serve(
  t: TestContext,
  data: string,
  address = '127.0.0.1:0',
): Promise<[CoapsuleProcess, string]> {
  const gateway = new CoapsuleProcess(t, [
    ...['serve', '--data', data, '--coap', address, '--coaps', 'off', '--http', 'off', '-v'],
  ]);
  const { coap = '' } = await gateway.ready();
  return [gateway, coap];
}

test('a device that is added under OSCORE writes telemetry at once, and one that is rotated or removed does not any more', async (t) => {
  const data = temporaryFolder(t);
  const file = join(temporaryFolder(t), 'end');
  const [gateway, coap] = await serve(t, data);
  const added = await coapsule(
    t,
    ...['device', 'add', 's1', '--data', data, '--oscore', 'generate', '--oscore-file', file],
  );
  assert.deepEqual([added.code, added.stdout], [0, ''], added.stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const { masterSecret, senderId } = parseOscoreConf(readFileSync(file, 'utf8'), file);
  assert.ok(!added.stderr.includes(hex(masterSecret)));
  const shown = await coapsule(t, 'device', 'show', 's1', '--data', data, '--json');
  assert.equal(JSON.parse(shown.stdout).kid, `0x${hex(senderId)}`);
  assert.ok(!shown.stdout.includes(hex(masterSecret)));

  const own = `coap://${coap}/sensors/s1`;
  // The gateway notices what another process writes a quarter of a second later, at most.
  await gateway.waitFor('stderr', /OSCORE context of s1 is open/);
  const put = await coapsule(t, 'put', own, '-e', '22.5', '--oscore', file);
  assert.equal(put.code, 0, put.stderr);
  const get = await coapsule(t, 'get', own, '--oscore', file);
  assert.deepEqual([get.code, get.stdout], [0, '22.5'], get.stderr);
  await gateway.waitFor('stderr', /PUT \/sensors\/s1 2\.01 Created from \S+ as s1 under OSCORE/);

  // Its rules hold as over DTLS, and without the context it is nobody.
  const foreign = await coapsule(t, 'put', `coap://${coap}/sensors/s2`, '-e', '1', '--oscore', file);
  assert.equal(foreign.code, 4, foreign.stderr);
  assert.match(foreign.stderr, /4\.03/);
  const plain = await coapsule(t, 'get', own);
  assert.match(plain.stderr, /4\.01/);

  const again = join(temporaryFolder(t), 'again');
  const rotated = await coapsule(
    t,
    ...['device', 'rotate', 's1', '--data', data, '--oscore', 'generate', '--oscore-file', again],
  );
  assert.equal(rotated.code, 0, rotated.stderr);
  await gateway.waitFor('stderr', /(OSCORE context of s1 is open[\s\S]*){2}/);
  assert.equal((await coapsule(t, 'put', own, '-e', '1', '--oscore', file)).code, 7);
  assert.equal((await coapsule(t, 'put', own, '-e', '2', '--oscore', again)).code, 0);
  assert.equal((await coapsule(t, 'device', 'remove', 's1', '--data', data)).code, 0);
  await gateway.waitFor('stderr', /(OSCORE context of s1 is closed[\s\S]*){2}/);
  assert.equal((await coapsule(t, 'put', own, '-e', '3', '--oscore', again)).code, 7);
  assert.equal((await gateway.kill('SIGTERM')).code, 0);
});

test("a context of keys oscore is added with the server's file, and refused once it was used", async (t) => {
  const data = temporaryFolder(t);
  const base = join(temporaryFolder(t), 'pair');
  await coapsule(t, 'keys', 'oscore', 'p', '--out', base, '--id-context', 'ab');
  const add = (id: string) =>
    coapsule(t, 'device', 'add', id, '--data', data, '--oscore', `${base}.server.oscore`);
  assert.equal((await add('p')).code, 0);
  const [gateway, coap] = await serve(t, data);
  const put = await coapsule(t, 'put', `coap://${coap}/sensors/p`, '-e', '1', '--oscore', `${base}.oscore`);
  assert.equal(put.code, 0, put.stderr);
  // Used as a client's end, it has numbers of its own that the gateway would use again.
  await coapsule(t, 'get', `coap://${coap}/`, '-B', '1', '--oscore', `${base}.server.oscore`);
  assert.ok(existsSync(`${base}.server.oscore.sequence`));
  const refused = await add('q');
  assert.equal(refused.code, 7);
  assert.match(refused.stderr, /has been in use/);
  await gateway.kill('SIGTERM');
});

test(`over ${kills} kills of the gateway every acknowledged reading is there, and the edges never go back`, async (t) => {
  const data = temporaryFolder(t);
  const file = join(temporaryFolder(t), 'end');
  const added = await coapsule(
    t,
    ...['device', 'add', 's1', '--data', data, '--oscore', 'generate', '--oscore-file', file],
  );
  assert.equal(added.code, 0, added.stderr);
  let [gateway, coap] = await serve(t, data, `127.0.0.1:${await freeUdpPorts(1)}`);
  let before = { senderEdge: 0, recipientEdge: 0 };
  for (let life = 0; life < kills; life++) {
    const own = `coap://${coap}/sensors/s1`;
    const put = await coapsule(t, 'put', own, '-e', String(life), '--oscore', file);
    assert.equal(put.code, 0, put.stderr);
    await gateway.kill('SIGKILL');
    const opened = openDatabase(data, { create: false, asGateway: false });
    const edges = new OscoreTable(opened.database).edges('s1')!;
    opened.close();
    assert.ok(edges.senderEdge >= before.senderEdge && edges.recipientEdge >= before.recipientEdge);
    assert.ok(edges.recipientEdge > 0, 'committed before the request was carried out');
    before = edges;
    [gateway, coap] = await serve(t, data, coap);
    // At most one exchange more, which the client makes by itself (RFC 8613 Appendix B.1.2).
    const get = await coapsule(t, 'get', own, '--oscore', file);
    assert.deepEqual([get.code, get.stdout], [0, String(life)], get.stderr);
  }
  await gateway.kill('SIGTERM');
});
