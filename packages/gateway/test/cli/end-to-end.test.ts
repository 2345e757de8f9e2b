import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { changed, content, created, type Listener, Server } from 'coapsule';

const launcher = fileURLToPath(new URL('../../bin/coapsule.js', import.meta.url));
const key = 'MySecret16ByteK!';
const { COAPSULE_REQUIRE_PEERS } = process.env;
const skipTshark =
  spawnSync('tshark', ['--version']).error !== undefined &&
  COAPSULE_REQUIRE_PEERS !== '1' &&
  'tshark is missing: apt-get install tshark';

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A started command line; `stdout` and `stderr` fill up while it runs. */
interface Started {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when standard output holds the text. */
  printed(text: string): Promise<void>;
}

function start(args: readonly string[], input?: string): Started {
  // In a process group of its own, as a shell starts it.
  const child = spawn(process.execPath, [launcher, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
    child.emit('printed');
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  child.stdin.end(input);
  const finished = once(child, 'close').then(([code]) => ({ code, stdout, stderr }));
  const printed = async (text: string): Promise<void> => {
    while (!stdout.includes(text)) {
      if (child.exitCode !== null) throw new Error(`ended without printing "${text}": ${stderr}`);
      await Promise.race([once(child, 'printed'), finished]);
    }
  };
  return { child, finished, printed };
}

function coapsule(args: readonly string[], input?: string): Promise<Finished> {
  return start(args, input).finished;
}

describe('the command line against a server', () => {
  const server = new Server();
  let plain: Listener;
  let secure: Listener;
  let folder: string;
  let light = 'off';
  let big = '';
  let streamed = 0;
  let credentials: readonly string[];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'coapsule-e2e-'));
    server
      .resource('/light', {
        observable: true,
        attributes: { rt: 'light' },
        get: () => content(light),
        put: (request) => {
          light = request.text();
          server.notify('/light');
          return changed();
        },
      })
      .resource('/who', {
        get: (request) =>
          content(request.peer.security.kind === 'dtls' ? request.peer.security.identity : 'nobody'),
      })
      .resource('/big', {
        get: () => content(big),
        put: (request) => {
          big = request.text();
          return created('/big');
        },
      });
    server.resource('/stream', {
      streamRequestBody: true,
      put: async (request) => {
        streamed = 0;
        for await (const part of request.body) streamed += part.length;
        return changed();
      },
      get: () => content(Array.from({ length: 300 }, (_, index) => new Uint8Array(1000).fill(index))),
    });
    plain = await server.listen('coap://127.0.0.1:0');
    secure = await server.listen('coaps://127.0.0.1:0', {
      psk: { lookup: new Map([['sensor-042', new TextEncoder().encode(key)]]), hint: 'CoAP' },
    });
    credentials = ['-u', 'sensor-042', '-k', key];
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const at = (path: string): string => `coap://127.0.0.1:${plain.port}${path}`;
  const secureAt = (path: string): string => `coaps://127.0.0.1:${secure.port}${path}`;

  test('get prints the payload and nothing else', async () => {
    assert.deepEqual(await coapsule(['get', at('/light')]), { code: 0, stdout: 'off', stderr: '' });
  });

  test('the exit code of the launcher is that of the command', async () => {
    const { code, stderr } = await coapsule(['get', at('/nothing')]);
    assert.equal(code, 4);
    assert.match(stderr, /^4\.04 Not Found/);
  });

  test('a body of many blocks goes up from standard input and comes down again', async () => {
    const body = 'abcdefghij'.repeat(2000);
    const { code, stderr } = await coapsule(['put', at('/big'), '-f', '-', '-b', '512'], body);
    assert.deepEqual([code, stderr], [0, '2.01 Created: /big\n']);
    assert.equal((await coapsule(['get', at('/big')])).stdout, body);
  });

  test('a large file goes up as it is read, from -f and from standard input, and comes down into -o', async () => {
    const up = join(folder, 'up');
    writeFileSync(up, 'x'.repeat(200_001));
    assert.deepEqual(await coapsule(['put', at('/stream'), '-f', up]), { code: 0, stdout: '', stderr: '' });
    assert.equal(streamed, 200_001);
    assert.equal(
      (await coapsule(['put', secureAt('/stream'), ...credentials, '-f', '-'], 'y'.repeat(100_000))).code,
      0,
    );
    assert.equal(streamed, 100_000);
    const down = join(folder, 'down');
    assert.deepEqual(await coapsule(['get', at('/stream'), '-o', down]), { code: 0, stdout: '', stderr: '' });
    const bytes = readFileSync(down);
    assert.equal(bytes.length, 300_000);
    assert.ok(bytes.every((byte, index) => byte === Math.trunc(index / 1000) % 256));
  });

  test('get over coaps is authenticated, its key log and capture are readable', async () => {
    const keylog = join(folder, 'keys.log');
    const capture = join(folder, 'capture.pcapng');
    const { code, stdout, stderr } = await coapsule([
      'get',
      secureAt('/who'),
      ...credentials,
      '--keylog',
      keylog,
      '-w',
      capture,
    ]);
    assert.deepEqual([code, stdout, stderr], [0, 'sensor-042', '']);
    assert.match(readFileSync(keylog, 'utf8'), /^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n$/i);
  });

  test('tshark reads a capture and decrypts it with the secrets in it', { skip: skipTshark }, async () => {
    const capture = join(folder, 'decrypt.pcapng');
    await coapsule(['get', secureAt('/who'), ...credentials, '-w', capture]);
    const ports = ['-d', `udp.port==${secure.port},dtls`, '-d', `dtls.port==${secure.port},coap`];
    const fields = ['-T', 'fields', '-e', 'coap.opt.uri_path', '-e', '_ws.malformed'];
    const text = execFileSync('tshark', ['-n', '-r', capture, ...ports, ...fields], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    assert.match(text, /who/);
    assert.doesNotMatch(text, /Malformed/i);
  });

  test('a wrong key and an unknown identity are 7, with the same sentence', async () => {
    const [wrongKey, unknown] = await Promise.all([
      coapsule(['get', secureAt('/who'), '-u', 'sensor-042', '-k', 'WrongSecret16By!']),
      coapsule(['get', secureAt('/who'), '-u', 'nobody', '-k', key]),
    ]);
    assert.deepEqual([wrongKey.code, unknown.code, wrongKey.stdout, unknown.stdout], [7, 7, '', '']);
    assert.equal(wrongKey.stderr, unknown.stderr);
    assert.match(wrongKey.stderr, /identity/);
  });

  test('observe prints notifications until SIGINT, then cancels and exits with 0', async () => {
    light = 'first';
    const observing = start(['observe', at('/light')]);
    await observing.printed('first\n');
    await coapsule(['put', at('/light'), '-e', 'second']);
    await observing.printed('second\n');
    observing.child.kill('SIGINT');
    assert.deepEqual(await observing.finished, { code: 0, stdout: 'first\nsecond\n', stderr: '' });
  });

  test('Ctrl-C, which reaches launcher and command at once, is one interrupt', async () => {
    light = 'first';
    const observing = start(['observe', at('/light')]);
    await observing.printed('first\n');
    process.kill(-observing.child.pid!, 'SIGINT');
    assert.deepEqual(await observing.finished, { code: 0, stdout: 'first\n', stderr: '' });
  });

  test('observe -s ends by itself', async () => {
    light = 'on';
    assert.deepEqual(await coapsule(['observe', secureAt('/light'), '-s', '0.2', ...credentials]), {
      code: 0,
      stdout: 'on\n',
      stderr: '',
    });
  });

  test('discover lists and filters', async () => {
    const all = await coapsule(['discover', at('')]);
    assert.match(all.stdout, /^<\/light>.*rt="light"/m);
    assert.match(all.stdout, /^<\/who>/m);
    const filtered = await coapsule(['discover', at(''), '-q', 'rt=light']);
    assert.deepEqual(filtered.stdout.match(/<[^>]*>/g), ['</light>']);
  });

  test('ping answers over coap and coaps', async () => {
    assert.match((await coapsule(['ping', at('')])).stdout, /answers in [\d.]+ ms\n$/);
    assert.match(
      (await coapsule(['ping', secureAt(''), ...credentials])).stdout,
      /after a handshake of [\d.]+ ms\n$/,
    );
  });

  test('-vv shows messages and options on standard error', async () => {
    const { stdout, stderr } = await coapsule(['get', at('/light'), '-vv']);
    assert.equal(stdout, light);
    assert.match(stderr, /→ 127\.0\.0\.1:\d+ CON GET Message-ID/);
    assert.match(stderr, / {4}Uri-Path: "light"/);
    assert.match(stderr, /← 127\.0\.0\.1:\d+ ACK 2\.05 Content/);
  });

  test('coap-client flags do the same as the verbs', async () => {
    const { code, stdout } = await coapsule([
      'client',
      '-m',
      'put',
      '-e',
      'a%20b',
      '-k',
      key,
      '-u',
      'sensor-042',
      secureAt('/light'),
    ]);
    assert.deepEqual([code, stdout, light], [0, '', 'a b']);
    assert.equal((await coapsule(['client', at('/light')])).stdout, 'a b\n');
  });

  test('where nobody listens it says so and ends at once', async () => {
    // A port that was free a moment ago.
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    socket.close();
    await once(socket, 'close');
    const { code, stderr } = await coapsule(['get', `coap://127.0.0.1:${port}/`]);
    assert.equal(code, 1);
    assert.match(stderr, /nobody listens/);
  });

  test('a server that does not answer is 6', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1');
    await once(silent, 'listening');
    const { code, stderr } = await coapsule([
      'get',
      `coap://127.0.0.1:${silent.address().port}/`,
      '-B',
      '0.3',
    ]);
    silent.close();
    assert.equal(code, 6);
    assert.match(stderr, /no response/);
  });

  test('a name that does not resolve is told', async () => {
    const { code, stderr } = await coapsule(['get', 'coap://no-such-host.invalid/']);
    assert.equal(code, 1);
    assert.match(stderr, /no-such-host\.invalid/);
  });
});

describe('the launcher', () => {
  test('a command ends when its launcher is killed', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1');
    await once(silent, 'listening');
    const request = start(['get', `coap://127.0.0.1:${silent.address().port}/`]);
    await once(silent, 'message');
    request.child.kill('SIGKILL');
    // Standard output of the command is the same pipe: `close` comes when both are gone.
    await request.finished;
    silent.close();
    assert.equal(request.child.signalCode, 'SIGKILL');
  });

  test('a signal that ends the command ends the launcher', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1');
    await once(silent, 'listening');
    const request = start(['get', `coap://127.0.0.1:${silent.address().port}/`]);
    await once(silent, 'message');
    request.child.kill('SIGTERM');
    const { code, stderr } = await request.finished;
    silent.close();
    assert.equal(code, 1);
    assert.match(stderr, /interrupted/);
  });
});
