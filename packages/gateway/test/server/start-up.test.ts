import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Client } from 'coapsule';
import { openDatabase } from '../../src/store/database.ts';
import { runLive } from '../cli/live-environment.ts';
import { freeUdpPorts } from '../interop/process.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { CoapsuleProcess, coapsule, unprivileged } from './gateway-process.ts';

const anyPorts = ['--coap', '127.0.0.1:0', '--coaps', '127.0.0.1:0'] as const;
/** The suite runs with several workers too, which the ready line tells. */
const workers = Number(process.env['COAPSULE_WORKERS'] ?? 1);
const threads = workers > 1 ? { workers } : {};
const onWindows = process.platform === 'win32' && 'Windows has other access rights';

/** One file for all cases: the messages of different faults must differ. */
async function refusal(t: TestContext, args: readonly string[], user?: number): Promise<string> {
  const ended = await new CoapsuleProcess(t, ['serve', ...args], user).ended;
  assert.equal(ended.code, 1, ended.stderr);
  assert.equal(ended.stdout, '', 'no ready line');
  // Cause, then next step.
  assert.match(ended.stderr, /^coapsule: .+\n {2}.+\n$/m);
  return ended.stderr;
}

// Each has a folder and ports of its own, and waits for its gateways.
describe('coapsule serve', { concurrency: 3 }, () => {
  test('the ready line has the real ports, endpoints that are off are left out, SIGTERM and SIGINT end with 0', async (t) => {
    const both = new CoapsuleProcess(t, ['serve', '--data', temporaryFolder(t), ...anyPorts]);
    const ready = await both.ready();
    assert.match(ready.coap ?? '', /^127\.0\.0\.1:[1-9]\d*$/);
    assert.match(ready.coaps ?? '', /^127\.0\.0\.1:[1-9]\d*$/);
    const ended = await both.kill('SIGTERM');
    assert.deepEqual([ended.code, ended.signal], [0, null]);
    const { coap, coaps } = ready;
    assert.equal(ended.stdout, `ready ${JSON.stringify({ coap, coaps, ...threads })}\n`);

    const one = new CoapsuleProcess(t, [
      'serve',
      '--data',
      temporaryFolder(t),
      '--coap',
      '0',
      '--coaps',
      'off',
      '--http',
      'off',
    ]);
    const only = await one.ready();
    assert.match(only.coap ?? '', /^(\[::\]|0\.0\.0\.0):[1-9]\d*$/);
    assert.deepEqual(Object.keys(only), ['coap', ...Object.keys(threads)]);
    assert.equal((await one.kill('SIGINT')).code, 0);
  });

  test('a gateway that is stopped while its store opens ends with 0 and without a ready line', async (t) => {
    const data = temporaryFolder(t);
    openDatabase(data, { create: true, asGateway: true }).close();
    // Somebody writes: the store waits for that.
    const other = new DatabaseSync(join(data, 'coapsule.db'));
    other.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    const gateway = new CoapsuleProcess(t, [
      'serve',
      '--demo',
      '--keylog',
      join(data, 'k'),
      '--data',
      data,
      ...anyPorts,
    ]);
    await gateway.waitFor('stderr', /can decrypt all traffic/);
    gateway.child.kill('SIGTERM');
    await gateway.waitFor('stderr', /stopping/);
    other.close();
    const ended = await gateway.ended;
    assert.deepEqual([ended.code, ended.signal, ended.stdout], [0, null, '']);
  });

  test('standard output that cannot be written ends a command and the gateway with 1 and the cause', {
    skip: !existsSync('/dev/full'),
  }, async (t) => {
    const data = temporaryFolder(t);
    for (const args of [
      ['serve', '--data', data, ...anyPorts],
      ['device', 'add', 'a', '--data', data],
      ['keys', 'psk'],
      ['--help'],
    ]) {
      const full = openSync('/dev/full', 'w');
      const ended = await new CoapsuleProcess(t, args, undefined, full).ended;
      closeSync(full);
      assert.equal(ended.code, 1, `${args}: ${ended.stderr}`);
      assert.match(ended.stderr, /standard output cannot be written: .*ENOSPC/);
    }
  });

  test('a key log that cannot be written any more does not end the gateway', {
    skip: !existsSync('/dev/full'),
  }, async (t) => {
    const data = temporaryFolder(t);
    const options = ['--demo', '--keylog', '/dev/full', '--data', data, ...anyPorts];
    const gateway = new CoapsuleProcess(t, ['serve', ...options]);
    const { coap, coaps } = await gateway.ready();
    await using client = new Client({
      psk: { identity: 'sensor-043', key: new TextEncoder().encode('AnotherKey16Byt!') },
    });
    assert.equal((await client.get(`coaps://${coaps}/hello`)).codeText, '2.05');
    assert.equal((await client.get(`coap://${coap}/hello`)).codeText, '2.05');
    assert.match(gateway.stderr, /key log .* ENOSPC/);
    assert.equal((await gateway.kill('SIGTERM')).code, 0);
  });

  test('a stopping gateway leaves the folder free and flushed, and its secured peers go on with the next one', async (t) => {
    const data = temporaryFolder(t);
    const coaps = `127.0.0.1:${await freeUdpPorts(1)}`;
    const serving = ['serve', '-v', '--demo', '--data', data, '--coap', 'off', '--coaps', coaps];
    const first = new CoapsuleProcess(t, serving);
    await first.ready();
    let handshakes = 0;
    await using client = new Client({
      psk: { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') },
      trace: ({ kind }) => {
        if (kind === 'connected') handshakes++;
      },
    });
    const reading = `coaps://${coaps}/sensors/sensor-042`;
    await client.put(reading, { payload: '1' });
    const ended = await first.kill('SIGTERM');
    assert.equal(ended.code, 0);
    assert.equal(existsSync(join(data, 'coapsule.db-wal')), false, 'the write-ahead log was folded in');
    const second = new CoapsuleProcess(t, serving);
    await second.ready();
    assert.equal((await client.get(reading)).text(), '1');
    assert.equal(handshakes, 1);
  });

  test('a port in use is named with its endpoint, and nothing listens then', async (t) => {
    const taken = createSocket('udp4').bind(0, '127.0.0.1');
    t.after(() => taken.close());
    await once(taken, 'listening');
    const at = `127.0.0.1:${taken.address().port}`;
    const data = temporaryFolder(t);
    for (const scheme of ['coap', 'coaps']) {
      const other = scheme === 'coap' ? 'coaps' : 'coap';
      const text = await refusal(t, ['--data', data, `--${scheme}`, at, `--${other}`, '127.0.0.1:0']);
      assert.match(text, new RegExp(`the ${scheme} endpoint cannot open ${at}: UDP port \\d+ is in use`));
    }
  });

  test('a port without permission is named', { skip: onWindows }, async (t) => {
    const first = '/proc/sys/net/ipv4/ip_unprivileged_port_start';
    if (existsSync(first) && Number(readFileSync(first, 'utf8')) <= 83) {
      t.skip('every user may bind low ports here');
      return;
    }
    const data = folderFor(t, unprivileged);
    const text = await refusal(t, ['--data', data, '--coap', '127.0.0.1:83', '--coaps', 'off'], unprivileged);
    assert.match(text, /the coap endpoint cannot open 127\.0\.0\.1:83: no permission for UDP port 83/);
  });

  test('an address that is not of this machine is named', async (t) => {
    const text = await refusal(t, ['--data', temporaryFolder(t), '--coap', '192.0.2.1:0', '--coaps', 'off']);
    assert.match(text, /does not have the address 192\.0\.2\.1/);
  });

  test('a data folder that cannot be read, written or be one is named', { skip: onWindows }, async (t) => {
    for (const mode of [0o300, 0o500]) {
      const data = folderFor(t, unprivileged);
      chmodSync(data, mode);
      assert.match(await refusal(t, ['--data', data, ...anyPorts], unprivileged), /no permission to use \//);
      chmodSync(data, 0o700);
    }
    const closed = folderFor(t, unprivileged);
    chmodSync(closed, 0o500);
    assert.match(
      await refusal(t, ['--data', join(closed, 'data'), ...anyPorts], unprivileged),
      /no permission/,
    );
    chmodSync(closed, 0o700);
    const file = join(temporaryFolder(t), 'file');
    writeFileSync(file, 'x');
    assert.match(await refusal(t, ['--data', file, ...anyPorts]), /is not a folder/);
  });

  test('a damaged database is named and left as it is', async (t) => {
    const data = temporaryFolder(t);
    openDatabase(data, { create: true, asGateway: true }).close();
    const file = join(data, 'coapsule.db');
    const damaged = readFileSync(file).fill(0x5a, 20, 3000);
    writeFileSync(file, damaged);
    const text = await refusal(t, ['--data', data, ...anyPorts]);
    assert.match(text, /the database .* is damaged/);
    assert.match(text, /left untouched/);
    assert.deepEqual(readFileSync(file), damaged);
  });

  test('a folder that another gateway uses is refused with its process, and that one goes on', async (t) => {
    const data = temporaryFolder(t);
    const running = new CoapsuleProcess(t, ['serve', '--demo', '--data', data, ...anyPorts]);
    const { coap } = await running.ready();
    const text = await refusal(t, ['--data', data, ...anyPorts]);
    assert.match(text, new RegExp(`another gateway \\(process ${running.child.pid}\\) uses the data folder`));
    await using client = new Client();
    assert.equal((await client.get(`coap://${coap}/hello`)).codeText, '2.05');
  });

  test('a key log that cannot be written stops the start', async (t) => {
    const data = temporaryFolder(t);
    const text = await refusal(t, ['--data', data, '--keylog', join(data, 'no', 'log'), ...anyPorts]);
    assert.match(text, /the key log .* cannot be written/);
  });

  test('a key log gets a line for each handshake, has mode 0600, and is warned about', async (t) => {
    const data = temporaryFolder(t);
    const keylog = join(data, 'keys.log');
    const gateway = new CoapsuleProcess(t, [
      'serve',
      '--demo',
      '--keylog',
      keylog,
      '--data',
      data,
      ...anyPorts,
    ]);
    const { coaps } = await gateway.ready();
    assert.match(gateway.stderr, /can decrypt all traffic/);
    await using client = new Client({
      psk: { identity: 'sensor-043', key: new TextEncoder().encode('AnotherKey16Byt!') },
    });
    await client.get(`coaps://${coaps}/hello`);
    assert.match(readFileSync(keylog, 'utf8'), /^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n$/);
    if (process.platform !== 'win32') assert.equal(statSync(keylog).mode & 0o777, 0o600);
  });

  test('--psk-file gives more devices, also when it begins with a byte order mark', async (t) => {
    const data = temporaryFolder(t);
    const file = join(data, 'keys.psk');
    const bom = '\uFEFF';
    writeFileSync(file, `${bom}meter-1:MySecretKey16Byt\nmeter-2:0x${'11'.repeat(16)}\n`, { mode: 0o600 });
    const gateway = new CoapsuleProcess(t, ['serve', '--psk-file', file, '--data', data, ...anyPorts]);
    const { coaps } = await gateway.ready();
    await using one = new Client({
      psk: { identity: 'meter-1', key: new TextEncoder().encode('MySecretKey16Byt') },
    });
    await using two = new Client({ psk: { identity: 'meter-2', key: new Uint8Array(16).fill(0x11) } });
    assert.equal((await one.put(`coaps://${coaps}/sensors/meter-1`, { payload: '1' })).codeText, '2.01');
    assert.equal((await two.put(`coaps://${coaps}/sensors/meter-2`, { payload: '1' })).codeText, '2.01');

    for (const [text, args] of [
      ['0xff:MySecretKey16Byt', []],
      ['%00:MySecretKey16Byt', []],
      ['a:MySecretKey16Byt', ['--psk', 'a:MySecretKey16Byt']],
    ] as const) {
      writeFileSync(file, text);
      const ended = await runLive(['serve', '--psk-file', file, ...args, '--data', join(data, 'none')]);
      assert.equal(ended.exitCode, 64, ended.stderr);
      assert.ok(!ended.stderr.includes('MySecretKey16Byt'));
    }
  });

  test('--check says that all is well and makes nothing, or what is wrong', async (t) => {
    const data = join(temporaryFolder(t), 'data');
    const fine = await coapsule(t, 'serve', '--check', '--data', data, ...anyPorts);
    assert.deepEqual([fine.code, fine.stdout], [0, '']);
    assert.equal(existsSync(data), false);
    mkdirSync(data, { mode: 0o700 });
    openDatabase(data, { create: true, asGateway: true }).close();
    const before = readdirSync(data);
    assert.equal((await coapsule(t, 'serve', '--check', '--data', data, ...anyPorts)).code, 0);
    assert.deepEqual(readdirSync(data), before);
    const lines = ['--serial', 'ttyUSB0', '--serial', '/dev/ttyUSB0,9600'];
    assert.match(
      await refusal(t, ['--check', '--data', data, ...anyPorts, ...lines]),
      /two serial lines are called ttyUSB0/,
    );
    writeFileSync(join(data, 'coapsule.db'), 'damaged'.repeat(1000));
    const bad = await coapsule(t, 'serve', '--check', '--data', data, ...anyPorts);
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /damaged/);
  });

  test('--check says that another gateway holds the folder or a port', async (t) => {
    const data = temporaryFolder(t);
    const overHttp = ['--http', '127.0.0.1:0', '--metrics', '127.0.0.1:0'];
    const gateway = new CoapsuleProcess(t, ['serve', '--data', data, ...anyPorts, ...overHttp]);
    const [, json = ''] = await gateway.waitFor('stdout', /^ready (\{.*\})$/m);
    const ready: Record<string, string> = JSON.parse(json);
    assert.match(await refusal(t, ['--check', '--data', data, ...anyPorts]), /uses the data folder/);
    const other = join(data, 'none');
    const options = ['coap', 'coaps', 'http', 'metrics'];
    const ports = options.flatMap((option) => [`--${option}`, ready[option] as string]);
    const text = await refusal(t, ['--check', '--data', other, ...ports]);
    for (const option of options)
      assert.match(text, new RegExp(`the ${option} endpoint cannot open .* is in use`));
    assert.equal(existsSync(other), false);
  });

  test('a gateway of which nothing was said about HTTP goes on without it where 8080 is in use; one that was told a port does not', async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'gateway.yaml');
    writeFileSync(file, `data: ${join(folder, 'data')}\nendpoints: { coap: 127.0.0.1:0, coaps: off }\n`);
    const holder = createServer();
    await new Promise<void>((resolve) => {
      // Where somebody else has it, that is as good.
      holder.once('error', () => resolve());
      holder.listen(8080, '127.0.0.1', resolve);
    });
    t.after(() => holder.close());
    const gateway = new CoapsuleProcess(t, ['serve', '--config', file]);
    const [, json = ''] = await gateway.waitFor('stdout', /^ready (\{.*\})$/m);
    assert.deepEqual(Object.keys(JSON.parse(json)), ['coap', ...Object.keys(threads)]);
    assert.match(
      gateway.stderr,
      /no HTTP and no console: .*127\.0\.0\.1:8080: TCP port 8080 is in use; give --http PORT, or --http off/,
    );
    await gateway.kill('SIGTERM');
    const told = new CoapsuleProcess(t, ['serve', '--config', file, '--http', '8080']);
    const ended = await told.ended;
    assert.notEqual(ended.code, 0);
    assert.match(ended.stderr, /the http endpoint cannot open 127\.0\.0\.1:8080/);
  });

  test('-v logs a line for each request, -vv the messages, and a name cannot forge a line', async (t) => {
    const data = temporaryFolder(t);
    const gateway = new CoapsuleProcess(t, ['serve', '-vv', '--demo', '--data', data, ...anyPorts]);
    const { coap, coaps } = await gateway.ready();
    await using client = new Client();
    await client.get(`coap://${coap}/hello%0Aforged%1B%5B2J`);
    const [line] = await gateway.waitFor('stderr', /^coapsule: GET .*$/m);
    assert.match(
      line,
      /^coapsule: GET \/hello\\u\{a\}forged\\u\{1b\}\[2J 4\.04 Not Found from 127\.0\.0\.1:\d+ unsecured$/,
    );
    await gateway.waitFor('stderr', /^← 127\.0\.0\.1:\d+ CON .*GET.* Message-ID/m);
    const key = new TextEncoder().encode('a wrong key of 16 bytes');
    await using stranger = new Client({ psk: { identity: 'nobody', key } });
    await assert.rejects(stranger.get(`coaps://${coaps}/hello`), { code: 'ERR_CREDENTIALS' });
    await gateway.waitFor(
      'stderr',
      /warning: a handshake names the identity nobody, which is no device here/,
    );
    await gateway.waitFor('stderr', /warning: handshake with .* failed: unknown-identity/);
    assert.ok(!/^forged/m.test(gateway.stderr));
  });

  test('wrong usage ends with 64, names the option and never shows a key', async (t) => {
    const secret = 'a-very-secret-key';
    const cases: readonly (readonly [args: string[], message: RegExp])[] = [
      [['--ca', 'x.pem'], /--ca needs a gateway that proves itself too/],
      [['--private-key', 'x.key', '--ca', 'x.pem'], /--ca is for certificates, and the gateway has none/],
      [['--private-key', 'x.key', '--coaps', 'off'], /there is no coaps endpoint/],
      [['--http', 'nowhere'], /give \[HOST:\]PORT/],
      [['--http', 'off', '--http-tls'], /--http-tls is for the http endpoint, and it is off/],
      [['--coap', 'nowhere:1'], /no IP address/],
      [['--coap', '70000'], /0 to 65535/],
      [['--coap', 'off', '--coaps', 'off'], /all endpoints are off/],
      [
        ['--coap', 'off', '--dangerously-unlimited-amplification'],
        /--dangerously-unlimited-amplification is for the plain endpoint, which is off/,
      ],
      [['--data', ''], /name is empty/],
      [['--psk-hint', 'x'.repeat(1025)], /--psk-hint has more than 1024 bytes/],
      [['--psk', secret], /give ID:KEY/],
      [['--psk', `a:${secret}`, '--psk', `a:${secret}2`], /names "a" twice/],
      [['--bogus'], /unknown option/],
    ];
    for (const [args, message] of cases) {
      // It ends before there is anything that a signal could end.
      const ended = await runLive(['serve', '--data', join(temporaryFolder(t), 'data'), ...args]);
      assert.equal(ended.exitCode, 64, `${args}: ${ended.stderr}`);
      assert.match(ended.stderr, message);
      assert.ok(!ended.stderr.includes(secret));
    }
  });

  /** A folder that a user without rights owns. */
  function folderFor(t: TestContext, user: number | undefined): string {
    const parent = temporaryFolder(t);
    chmodSync(parent, 0o755);
    const folder = join(parent, 'data');
    mkdirSync(folder, { mode: 0o700 });
    if (user !== undefined) chownSync(folder, user, user);
    return folder;
  }

  test('what only one option needs is not loaded without it: HTTP and TLS', async () => {
    const serve = new URL('../../src/cli/serve.ts', import.meta.url).href;
    const script = `await import(${JSON.stringify(serve)}); console.log(process.moduleLoadList.join('\\n'));`;
    const args = ['--conditions=@coapsule/source', '--input-type=module', '--eval', script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 24 });
    const loaded = new Set(stdout.split('\n'));
    assert.ok(loaded.has('NativeModule dgram'), stdout);
    const idle = ['http', '_http_client', 'https', 'tls', '_tls_wrap', 'zlib'];
    assert.deepEqual(
      idle.filter((name) => loaded.has(`NativeModule ${name}`)),
      [],
    );
  });
});
