import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Code, changed, content, failure, type Listener, Server } from 'coapsule';

const launcher = fileURLToPath(new URL('../../bin/coapsule.js', import.meta.url));
const peer = 'coap-client-openssl';
const { COAPSULE_REQUIRE_PEERS } = process.env;
const isMissing = spawnSync(peer, ['-?']).error !== undefined;
const skip =
  isMissing && COAPSULE_REQUIRE_PEERS !== '1' && `${peer} is missing: apt-get install libcoap3-bin`;

describe('coapsule client prints what coap-client prints', { skip }, () => {
  const server = new Server();
  let plain: Listener;
  let secure: Listener;
  let folder: string;
  let stored = '';
  const ticks = 0;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'coapsule-parity-'));
    server
      .resource('/value', { get: () => content('22.5') })
      .resource('/empty', { get: () => content('') })
      .resource('/large', { get: () => content('ABCDEFGHIJKLMNOPQRSTUVWXYZ'.repeat(315)) })
      .resource('/json', { get: () => content('{}', { contentFormat: 'application/json' }) })
      .resource('/refuses', { get: () => failure(Code.Forbidden, 'not\tyou') })
      .resource('/ticks', { observable: true, get: () => content(`tick ${ticks}`) })
      .resource('/store', {
        get: () => content(stored),
        put: (request) => {
          stored = request.text();
          return changed();
        },
      });
    plain = await server.listen('coap://127.0.0.1:0');
    secure = await server.listen('coaps://127.0.0.1:0', {
      psk: { lookup: new Map([['sensor-042', new TextEncoder().encode('MySecret16ByteK!')]]), hint: 'CoAP' },
    });
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  /** Runs a program and gives all that a script can see of it. */
  async function outcome(program: string, args: readonly string[]) {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    const [code] = await once(child, 'close');
    return { code, stdout, stderr };
  }

  /** The same command line with both; `AT` and `SECURE` stand for the two endpoints. */
  async function both(line: string) {
    const args = line
      .replace('AT/', `coap://127.0.0.1:${plain.port}/`)
      .replace('SECURE/', `coaps://127.0.0.1:${secure.port}/`)
      .split(' ');
    const [theirs, ours] = await Promise.all([
      outcome(peer, args),
      outcome(process.execPath, [launcher, 'client', ...args]),
    ]);
    return { theirs, ours };
  }

  const lines = [
    'AT/value',
    '-m get AT/value -w',
    '-w AT/empty',
    'AT/empty',
    'AT/large',
    '-b 64 AT/large',
    '-m GET -N AT/value',
    '-A json AT/json',
    'AT/missing',
    'AT/refuses',
    '-m delete AT/value',
    '-m put -e a%20b%2Fc -t 0 AT/store',
    'AT/store',
    '-T cafe -O 15,a=b AT/value',
    '-G 2 AT/value',
    '-o - AT/value',
    '-U -H 5 AT/value',
    '-k MySecret16ByteK! -u sensor-042 SECURE/value',
    '-mget -kMySecret16ByteK! SECURE/value -u sensor-042 -w',
    '-s 1 AT/ticks',
  ];
  for (const line of lines) {
    test(line, async () => {
      const { theirs, ours } = await both(line);
      assert.deepEqual(ours, theirs);
    });
  }

  test('-o FILE writes the same file', async () => {
    const path = join(folder, 'out');
    const contents: string[] = [];
    for (const [program, first] of [[peer], [process.execPath, launcher, 'client']].map(
      (words) => [words[0]!, words.slice(1)] as const,
    )) {
      const result = await outcome(program, [...first, '-o', path, `coap://127.0.0.1:${plain.port}/value`]);
      assert.deepEqual(result, { code: 0, stdout: '', stderr: '' });
      contents.push(readFileSync(path, 'utf8'));
    }
    assert.equal(contents[1], contents[0]);
  });

  test('an unusable URI and an unknown option have the same exit code', async () => {
    for (const line of ['http://127.0.0.1/', '-Z AT/value']) {
      const { theirs, ours } = await both(line);
      assert.equal(ours.code, theirs.code);
    }
  });
});
