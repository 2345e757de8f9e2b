/** `--oscore` and `keys oscore`: the files, what is refused, and messages from one process after the other. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { changed, content, OscoreContext, OscoreContexts, openOscoreFile, Server } from 'coapsule';
import { openKeptOscore } from '../../src/cli/kept-oscore.ts';
import { formatOscoreConf, parseOscoreConf } from '../../src/cli/oscore-conf.ts';
import { openOscoreSequence, readOscoreFolder } from '../../src/cli/oscore-folder.ts';
import { openSequenceFile } from '../../src/cli/oscore-sequence-file.ts';
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
    ['"unknown"', 2 ** 40],
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

describe("libcoap's SEQ_FILE", () => {
  test('is read and written as the decimal number that comes next; another text is refused', async () => {
    const path = join(folder, 'seq');
    const store = await openSequenceFile(path);
    assert.equal(await store.load(), undefined);
    writeFileSync(path, '');
    assert.equal(await store.load(), undefined, 'libcoap makes it empty');
    writeFileSync(path, '37\n');
    assert.deepEqual(await store.load(), { senderEdge: 37, recipientEdge: 0 });
    await store.save({ senderEdge: 137, recipientEdge: 0 });
    assert.equal(readFileSync(path, 'utf8'), '137\n');
    for (const text of ['-1', '1.5', 'x', '1099511627777']) {
      writeFileSync(path, text);
      await assert.rejects(store.load(), /no sequence number as libcoap writes it/, text);
    }
    await store.close?.();
  });
});

describe('keys oscore --from', () => {
  const context = {
    masterSecret: bytes(1, 2, 3),
    masterSalt: bytes(4),
    senderId: bytes(5),
    recipientId: bytes(6),
    idContext: bytes(7),
    aead: 'A128GCM',
    hkdf: 'SHA-512',
    replayWindow: 64,
  } as const;

  test('there and back an end is what it was, with its numbers, and there is one copy of it', async () => {
    const own = mkdtempSync(join(folder, 'convert-'));
    const [conf, there, back] = ['a', 'b', 'c'].map((name) => join(own, name)) as [string, string, string];
    writeFileSync(conf, formatOscoreConf(context, 'x'), { mode: 0o600 });
    const store = await openOscoreFile(`${conf}.sequence`);
    await store.save({ senderEdge: 700, recipientEdge: 33 });
    await store.close();
    const args = ['keys', 'oscore', 'd', '--from'];
    const toFolder = await run([...args, conf, '--format', 'aiocoap', '--out', there]);
    assert.equal(toFolder.exitCode, 0, toFolder.stderr);
    assert.match(toFolder.stderr, /which is now .*a\.converted: remove it/);
    assert.deepEqual(readOscoreFolder(`${there}.oscore`), context);
    assert.deepEqual(JSON.parse(readFileSync(join(`${there}.oscore`, 'sequence.json'), 'utf8')), {
      'next-to-send': 700,
      received: { index: 33, bitfield: 0 },
    });
    assert.deepEqual(
      readdirSync(own).filter((name) => name.startsWith('a')),
      ['a.converted', 'a.converted.sequence'],
    );

    const toFile = await run([...args, `${there}.oscore`, '--out', back]);
    assert.equal(toFile.exitCode, 0, toFile.stderr);
    assert.match(toFile.stderr, /begin SEQ_FILE with 700/);
    const text = readFileSync(`${back}.oscore`, 'utf8');
    assert.deepEqual(parseOscoreConf(text, 'conf'), context);
    assert.match(text, /# In use/);
    const read = await openOscoreFile(`${back}.oscore.sequence`);
    assert.deepEqual(await read.load(), { senderEdge: 700, recipientEdge: 33 });
    await read.close();
    assert.ok(!existsSync(`${there}.oscore`));
    assert.deepEqual(
      readdirSync(`${there}.oscore.converted`).filter((name) => name.endsWith('.lock')),
      [],
    );
  });

  test('an end that nobody has used has no numbers afterwards, one that lost them is refused, and nothing is replaced', async () => {
    const own = mkdtempSync(join(folder, 'convert-'));
    const conf = join(own, 'a');
    writeFileSync(conf, formatOscoreConf(context, 'x'), { mode: 0o600 });
    const args = ['keys', 'oscore', 'd', '--format', 'aiocoap', '--out', join(own, 'b'), '--from', conf];
    assert.equal((await run([...args, '--sender-id', '01'])).exitCode, 64);
    assert.equal((await run(args)).exitCode, 0);
    assert.deepEqual(readdirSync(join(own, 'b.oscore')), ['settings.json']);
    writeFileSync(
      conf,
      `${formatOscoreConf(context, 'x')}# In use: keep the .sequence file with this one.\n`,
    );
    assert.match((await run(args)).stderr, /b\.oscore is there already/);
    const lost = await run([...args.slice(0, 6), join(own, 'c'), '--from', conf]);
    assert.equal(lost.exitCode, 1, 'a.converted is there');
    rmSync(`${conf}.converted`);
    const gone = await run([...args.slice(0, 6), join(own, 'c'), '--from', conf]);
    assert.deepEqual([gone.exitCode, existsSync(join(own, 'c.oscore'))], [7, false]);
    assert.match(gone.stderr, /its sequence numbers are gone/);
    assert.ok(existsSync(conf));
  });

  test('an end whose numbers could not be written is refused afterwards, and does not begin anew', async () => {
    const own = mkdtempSync(join(folder, 'convert-'));
    const [conf, to] = [join(own, 'a'), join(own, 'b.oscore')];
    writeFileSync(conf, formatOscoreConf(context, 'x'), { mode: 0o600 });
    const store = await openOscoreFile(`${conf}.sequence`);
    await store.save({ senderEdge: 700, recipientEdge: 33 });
    await store.close();
    // Where they are written before they are moved to their place.
    mkdirSync(`${to}.sequence.next`);
    const { exitCode } = await run(['keys', 'oscore', 'd', '--out', join(own, 'b'), '--from', conf]);
    assert.equal(exitCode, 1);
    await assert.rejects(
      openKeptOscore({ path: to }, () => {}),
      /has been in use, and its sequence numbers are gone/,
    );
    assert.ok(existsSync(`${conf}.converted.sequence`));
  });

  test('rfc8613_b_2, for which aiocoap has no word, is refused', async () => {
    const conf = join(mkdtempSync(join(folder, 'convert-')), 'a');
    writeFileSync(conf, formatOscoreConf({ ...context, deriveAnew: 'client' }, 'x'), { mode: 0o600 });
    assert.equal(parseOscoreConf(readFileSync(conf, 'utf8'), conf).deriveAnew, 'client');
    const { exitCode, stderr } = await run([
      ...['keys', 'oscore', 'd', '--format', 'aiocoap', '--out', `${conf}-b`, '--from', conf],
    ]);
    assert.equal(exitCode, 64);
    assert.match(stderr, /rfc8613_b_2/);
  });
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

  test("client -E goes on from libcoap's SEQ_FILE, and a credentials map names the context of a URI", async () => {
    const base = join(folder, 'with-seq');
    assert.equal((await run(['keys', 'oscore', 'd', '--out', base])).exitCode, 0);
    const [device, other, seq] = [`${base}.oscore`, `${base}.server.oscore`, `${base}.seq`];
    await using oscore = await OscoreContext.open({
      ...parseOscoreConf(readFileSync(other, 'utf8'), other),
      store: await openOscoreFile(`${base}.state`),
      firstUse: true,
    });
    await using server = new Server();
    server.resource('/temp', { requires: 'oscore', get: () => content('22.5') });
    const { uri } = await server.listen('coap://127.0.0.1:0', { oscore: new OscoreContexts([oscore]) });
    // As a program of libcoap leaves it.
    writeFileSync(seq, '41\n');
    const flags = ['client', '-E', `${device},${seq}`, `${uri}/temp`];
    const first = await coapsule(...flags).ended;
    assert.deepEqual(first.slice(0, 2), [0, '22.5\n'], first[2]);
    assert.equal(readFileSync(seq, 'utf8'), '42\n');
    rmSync(seq);
    const [lost, , cause] = await coapsule(...flags).ended;
    assert.equal(lost, 1);
    assert.match(cause, /has been in use, and its sequence numbers are gone: .*seq is missing/);

    // Without SEQ_FILE the numbers are kept beside the file; then a SEQ_FILE would count in two places.
    const again = join(folder, 'without-seq');
    writeFileSync(
      again,
      readFileSync(device, 'utf8').replace('# In use: keep the .sequence file with this one.\n', ''),
    );
    const kept = await openOscoreFile(`${again}.sequence`);
    await kept.save({ senderEdge: 60, recipientEdge: 0 });
    await kept.close();
    await assert.rejects(
      openKeptOscore({ path: again, sequenceFile: seq }, () => undefined),
      /are kept in .*without-seq\.sequence, not in .*seq/,
    );
    const map = join(folder, 'map.json');
    const { host } = new URL(uri.replace('coap:', 'http:'));
    writeFileSync(map, JSON.stringify({ [`coap://${host}/*`]: { oscore: 'without-seq' } }), { mode: 0o600 });
    const [code, stdout, stderr] = await coapsule('get', `${uri}/temp`, '--credentials', map).ended;
    assert.deepEqual([code, stdout], [0, '22.5'], stderr);
  });

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
