/** `--oscore` and `keys oscore`: the files, what is refused, and messages from one process after the other. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { changed, content, OscoreContext, OscoreContexts, openOscoreFile, Server } from 'coapsule';
import { formatOscoreConf, parseOscoreConf } from '../../src/cli/oscore-conf.ts';
import { openOscoreSequence, readOscoreFolder } from '../../src/cli/oscore-folder.ts';
import { run } from './recorded-environment.ts';

// The program itself and not its launcher, so that a signal reaches it.
const program = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const bytes = (...values: number[]): Uint8Array => Uint8Array.of(...values);
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'coapsule-oscore-'));
});
after(() => rmSync(folder, { recursive: true }));

/** Runs the program as a process of its own. */
function coapsule(...args: readonly string[]): {
  child: ChildProcess;
  ended: Promise<[number | null, string, string]>;
} {
  const child = spawn(process.execPath, ['--conditions=@coapsule/source', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  return { child, ended: once(child, 'close').then(([code]) => [code, stdout, stderr]) };
}

describe('keys oscore', () => {
  test('both ends have a file, for their owner alone, and no key is shown', async () => {
    const base = join(folder, 'made');
    const { exitCode, stdout, stderr } = await run(['keys', 'oscore', 'made', '--out', base]);
    assert.deepEqual([exitCode, stdout], [0, ''], stderr);
    const [device, server] = [`${base}.oscore`, `${base}.server.oscore`].map((path) => {
      assert.equal(statSync(path).mode & 0o777, 0o600);
      return parseOscoreConf(readFileSync(path, 'utf8'), path);
    });
    assert.deepEqual(device, { ...server, senderId: server!.recipientId, recipientId: server!.senderId });
    assert.equal(device!.masterSecret.length, 16);
    assert.ok(!stderr.includes(hex(device!.masterSecret)));
  });

  test("aiocoap's folders are written too, and say the same", async () => {
    const base = join(folder, 'folders');
    const { exitCode, stderr } = await run([
      ...['keys', 'oscore', 'f', '--out', base, '--format', 'aiocoap'],
      ...['--sender-id', '0c', '--recipient-id', '', '--id-context', 'ab', '--aead', 'ChaCha20/Poly1305'],
    ]);
    assert.equal(exitCode, 0, stderr);
    const { masterSecret, senderId, recipientId, idContext, aead } = readOscoreFolder(`${base}.oscore`);
    assert.deepEqual(
      [masterSecret.length, senderId, recipientId, idContext],
      [16, bytes(12), bytes(), bytes(0xab)],
    );
    assert.equal(aead, 'ChaCha20/Poly1305');
    assert.equal(statSync(join(`${base}.oscore`, 'settings.json')).mode & 0o777, 0o600);
  });

  for (const [args, cause] of [
    [['--sender-id', '01'], /same key and nonces/],
    [['--sender-id', '0102030405060708'], /7 are the most/],
    [['--sender-id', 'xyz'], /hexadecimal/],
  ] as const) {
    test(`${args.join(' ')} is refused with 64`, async () => {
      const { exitCode, stderr } = await run(['keys', 'oscore', 'x', '--out', join(folder, 'none'), ...args]);
      assert.equal(exitCode, 64);
      assert.match(stderr, cause);
    });
  }
});

describe("libcoap's file", () => {
  const example = `# comment
master_secret,hex,"0102030405060708090a0b0c0d0e0f10"
master_salt,hex,9e7ca92223786340
sender_id,ascii,"client"

replay_window,integer,32
aead_alg,text,"AES-CCM-16-64-128"
hkdf_alg,integer,-10
ssn_freq,integer,5
rfc8613_b_1_2,bool,true
complex_recipient,config,'
recipient_id,ascii,"server"
silent_server,bool,false
'
`;
  test('all that a client can use of coap-oscore-conf is read', () => {
    const { masterSecret, ...more } = parseOscoreConf(example, 'conf');
    assert.equal(hex(masterSecret), '0102030405060708090a0b0c0d0e0f10');
    assert.deepEqual(more, {
      masterSalt: Uint8Array.from(Buffer.from('9e7ca92223786340', 'hex')),
      senderId: new TextEncoder().encode('client'),
      recipientId: new TextEncoder().encode('server'),
      aead: 'AES-CCM-16-64-128',
      hkdf: 'SHA-256',
      replayWindow: 32,
    });
  });

  test('what is written is read as it was', () => {
    const parameters = {
      masterSecret: bytes(1, 2, 3),
      masterSalt: bytes(4),
      senderId: bytes(),
      recipientId: bytes(5),
      idContext: bytes(6, 7),
      aead: 'A128GCM' as const,
    };
    const read = parseOscoreConf(formatOscoreConf(parameters, 'x'), 'conf');
    assert.deepEqual(read, { ...parameters, hkdf: 'SHA-256', replayWindow: 32 });
  });

  for (const [change, cause] of [
    [['replay_window,integer,32', 'last_seq,unsigned64,7'], /line 6: the keyword "last_seq" is not known/],
    [
      ['sender_id,ascii', 'sender_id,integer'],
      /line 4: sender_id is given as hex or ascii, not as "integer"/,
    ],
    [['9e7ca92223786340', '9e7'], /line 3: the value of master_salt is not hex/],
    [['AES-CCM-16-64-128', 'ROT13'], /aead_alg ROT13 is not one/],
    [['recipient_id,ascii,"server"', ''], /conf has no recipient_id/],
    [["\n'\n", '\n'], /complex_recipient has no closing '/],
  ] as const) {
    test(`${change.join(' → ')} is refused by name, and no secret is shown`, () => {
      const wrong = example.replace(change[0], change[1]);
      assert.notEqual(wrong, example);
      assert.throws(
        () => parseOscoreConf(wrong, 'conf'),
        (error: Error) => cause.test(error.message) && !error.message.includes('01020304'),
      );
    });
  }
});

describe('sequence.json of aiocoap', () => {
  for (const [received, edge] of [
    ['{"index": 7, "bitfield": 0}', 7],
    ['{"index": 7, "bitfield": 5}', 10],
    ['"unknown"', 0],
  ] as const) {
    test(`received ${received} is a recipient edge of ${edge}, and is not claimed to be known better`, async () => {
      const own = mkdtempSync(join(folder, 'sequence-'));
      const path = join(own, 'sequence.json');
      writeFileSync(path, `{"next-to-send": 40, "received": ${received}}`);
      const store = await openOscoreSequence(own);
      const { senderEdge, recipientEdge } = (await store.load())!;
      assert.deepEqual([senderEdge, recipientEdge], [40, edge]);
      await store.save({ senderEdge: 140, recipientEdge });
      assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), {
        'next-to-send': 140,
        received: received === '"unknown"' ? 'unknown' : { index: edge, bitfield: 0 },
      });
      await store.close?.();
    });
  }
});

describe('messages from one process after the other', () => {
  for (const format of ['libcoap', 'aiocoap'] as const) {
    test(`${format}: numbers go on where the last process ended, also after kill -9, and lost ones are refused with 7`, async () => {
      const base = join(folder, `line-${format}`);
      assert.equal((await run(['keys', 'oscore', 'd', '--out', base, '--format', format])).exitCode, 0);
      const [device, other] = [`${base}.oscore`, `${base}.server.oscore`];
      const sequence = format === 'aiocoap' ? join(device, 'sequence.json') : `${device}.sequence`;
      const parameters =
        format === 'aiocoap' ? readOscoreFolder(other) : parseOscoreConf(readFileSync(other, 'utf8'), other);
      await using oscore = await OscoreContext.open({
        ...parameters,
        store: await openOscoreFile(`${base}.state`),
        firstUse: true,
      });
      await using server = new Server();
      let asked = 0;
      server.resource('/temp', {
        requires: 'oscore',
        get: () => content('22.5'),
        put: ({ payload }) => changed(`${payload.length} bytes`),
      });
      server.resource('/hang', {
        requires: 'oscore',
        get: () => {
          asked++;
          return new Promise(() => {});
        },
      });
      server.resource('/open', { get: () => content('for everybody') });
      const { uri } = await server.listen('coap://127.0.0.1:0', { oscore: new OscoreContexts([oscore]) });

      const [code, stdout, stderr] = await coapsule('get', `${uri}/temp`, '--oscore', device).ended;
      assert.deepEqual([code, stdout], [0, '22.5'], stderr);
      assert.match(stderr, /is used for the first time; its sequence numbers are kept in/);
      const second = await coapsule('put', `${uri}/temp`, '-e', 'on', '--oscore', device).ended;
      assert.deepEqual(second, [0, '2 bytes', '']);

      // A process that waits for its answer has the context; another one is told so, and kill -9 leaves it usable.
      const waiting = coapsule('get', `${uri}/hang`, '--oscore', device);
      while (asked === 0) await new Promise((resolve) => setImmediate(resolve));
      const [lockedCode, , locked] = await coapsule('get', `${uri}/temp`, '--oscore', device).ended;
      assert.equal(lockedCode, 1);
      assert.match(locked, new RegExp(`in use by process ${waiting.child.pid}`));
      waiting.child.kill('SIGKILL');
      await waiting.ended;
      assert.deepEqual(await coapsule('get', `${uri}/temp`, '--oscore', device).ended, [0, '22.5', '']);
      const edge = Number(/"(?:senderEdge|next-to-send)":(\d+)/.exec(readFileSync(sequence, 'utf8'))?.[1]);
      assert.ok(edge > 100, `the batch of the killed process is left out: ${edge}`);

      // Without the context there is nothing to be had, and with it no open answer is taken for a protected one.
      assert.equal((await coapsule('get', `${uri}/temp`).ended)[0], 4);

      rmSync(sequence);
      const [lostCode, , lost] = await coapsule('get', `${uri}/temp`, '--oscore', device).ended;
      assert.equal(lostCode, 7);
      assert.match(lost, /has been in use, and its sequence numbers are gone[\s\S]*make a new context/);
    });
  }

  test('a server that does not have the context is 7', async () => {
    const base = join(folder, 'stranger');
    await run(['keys', 'oscore', 'd', '--out', base]);
    await using server = new Server();
    server.resource('/temp', { get: () => content('open') });
    const { uri } = await server.listen('coap://127.0.0.1:0');
    const [code, stdout, stderr] = await coapsule('get', `${uri}/temp`, '--oscore', `${base}.oscore`).ended;
    assert.deepEqual([code, stdout], [7, ''], stderr);
    assert.match(stderr, /without OSCORE|4\.0/);
  });

  test('a file that is no context is 64, one that is not there 1', async () => {
    const wrong = join(folder, 'wrong');
    appendFileSync(wrong, 'hello');
    assert.equal((await run(['get', 'coap://h/', '--oscore', wrong])).exitCode, 64);
    assert.equal((await run(['get', 'coap://h/', '--oscore', join(folder, 'absent')])).exitCode, 1);
  });
});
