/** OSCORE devices of the gateway's store, with the real programs: added and rotated while it runs, and over kill -9 of it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SeededRandom } from 'coapsule/testing';
import { parseOscoreConf } from '../../src/cli/oscore-conf.ts';
import { openDatabase } from '../../src/store/database.ts';
import { OscoreTable } from '../../src/store/oscore-table.ts';
import { freeUdpPorts } from '../interop/process.ts';
import { CoapsuleProcess, coapsule } from '../server/gateway-process.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { RecordingOscoreDevice } from './recording-oscore-device.ts';
import { storedTexts } from './stored-texts.ts';

const { COAPSULE_LONG } = process.env;
const kills = COAPSULE_LONG === '1' ? 60 : 3;
/** Requests at once in a life: more than the step of the edge (32). */
const burst = 60;

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
  // In the store it has numbers of its own, which a client's end would use again.
  const used = ['get', `coap://${coap}/`, '-B', '1', '--oscore'];
  const twice = await coapsule(t, ...used, `${base}.server.oscore`);
  assert.equal(twice.code, 7);
  assert.match(twice.stderr, /has been in use, and its sequence numbers are gone/);
  const again = await add('q');
  assert.equal(again.code, 7);
  assert.match(again.stderr, /has been in use: its numbers are elsewhere, such as in the store of a gateway/);
  // And the other way round.
  await coapsule(t, 'keys', 'oscore', 'q', '--out', `${base}-q`);
  await coapsule(t, ...used, `${base}-q.server.oscore`);
  assert.ok(existsSync(`${base}-q.server.oscore.sequence`));
  const refused = await coapsule(
    t,
    ...['device', 'add', 'q', '--data', data, '--oscore', `${base}-q.server.oscore`],
  );
  assert.equal(refused.code, 7);
  assert.match(refused.stderr, /has been in use/);
  await gateway.kill('SIGTERM');
});

test(`over ${kills} kills in the middle of a commit no request is carried out twice, no nonce repeats, and service goes on`, async (t) => {
  const data = temporaryFolder(t);
  const file = join(temporaryFolder(t), 'end');
  const added = await coapsule(
    t,
    ...['device', 'add', 's1', '--data', data, '--oscore', 'generate', '--oscore-file', file],
  );
  assert.equal(added.code, 0, added.stderr);
  const device = await RecordingOscoreDevice.open(t, file);
  const random = new SeededRandom(8613);
  let [gateway, coap] = await serve(t, data, `127.0.0.1:${await freeUdpPorts(1)}`);
  const port = Number(coap.split(':').at(-1));
  const own = `coap://${coap}/sensors/s1`;
  const acknowledged: string[] = [];
  let unanswered = 0;
  let before = { senderEdge: 0, recipientEdge: 0 };
  for (let life = 0; life < kills; life++) {
    await using client = device.client();
    const exchanges = device.exchanges;
    const put = async (text: string): Promise<void> => {
      const { code } = await client.put(own, { payload: text });
      assert.equal(code >> 5, 2, text);
      acknowledged.push(text);
    };
    await put(`${life}:first`);
    assert.ok(device.exchanges - exchanges <= 2, 'at most one Echo (RFC 8613 Appendix B.1.2)');

    // More than one edge covers: some wait for the commit of the next one. Half of them read, which waits for no commit but
    // that. Its first bytes in the log of the database are the moment, and up to 3 ms later may be in the flush or after it.
    const inCommit = writtenTo(data);
    let waiting = burst;
    const puts = Array.from({ length: burst }, (_, index) =>
      (index % 2 === 0 ? put(`${life}:${index}`) : client.get(own)).then(
        () => {
          waiting--;
        },
        (error: unknown) => {
          if (error instanceof assert.AssertionError) throw error;
        },
      ),
    );
    await inCommit;
    const until = performance.now() + random.fraction() * 3;
    while (performance.now() < until);
    assert.equal((await gateway.kill('SIGKILL')).signal, 'SIGKILL');
    unanswered += waiting > 0 ? 1 : 0;
    await client.close();
    await Promise.all(puts);

    const opened = openDatabase(data, { create: false, asGateway: false });
    const edges = new OscoreTable(opened).edges('s1')!;
    opened.close();
    assert.ok(edges.senderEdge >= before.senderEdge && edges.recipientEdge >= before.recipientEdge);
    assert.ok(edges.recipientEdge >= device.answeredEdge, 'committed before a request was carried out');
    before = edges;
    [gateway] = await serve(t, data, coap);
    await device.replay(port);
  }
  await using client = device.client();
  await client.put(own, { payload: 'last' });
  await device.replay(port);
  assert.equal((await gateway.kill('SIGTERM')).code, 0);
  assert.ok(unanswered > 0, 'no request was under way at any kill: the test shows nothing');

  const stored = storedTexts(data);
  assert.equal(new Set(stored).size, stored.length, 'a replayed request was carried out');
  const all = new Set(stored);
  assert.deepEqual(
    acknowledged.filter((text) => !all.has(text)),
    [],
    'acknowledged and lost',
  );
});

/** Fulfils when the gateway writes to the log of its database the next time. */
function writtenTo(data: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(data, (_, name) => {
      if (name !== 'coapsule.db-wal') return;
      watcher.close();
      resolve();
    });
  });
}
