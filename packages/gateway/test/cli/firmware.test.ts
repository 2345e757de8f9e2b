/** `coapsule firmware put` and `get`, and the progress of a large `put`, against a gateway. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { content, Server } from 'coapsule';
import { SeededRandom } from 'coapsule/testing';
import type { CommandEnvironment } from '../../src/cli/command-environment.ts';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';
import { startTestGateway } from '../gateway/test-gateway.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const credentials = ['-u', 'sensor-042', '-k', 'MySecret16ByteK!'];

interface Ran {
  readonly exitCode: number;
  readonly stderr: string;
}

/** Runs a command line with a real client; waiting takes no time. */
async function run(
  args: readonly string[],
  onDelay: () => Promise<void> | void = () => {},
  onWrite: (text: string) => void = () => {},
): Promise<Ran> {
  let stderr = '';
  const environment: CommandEnvironment = {
    ...processEnvironment(),
    stdout: { write: () => {}, isTerminal: false },
    stderr: {
      write: (data) => {
        const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
        stderr += text;
        onWrite(text);
      },
      isTerminal: true,
    },
    variables: {},
    after: (_delayMs, action) => {
      void Promise.resolve(onDelay()).then(action);
      return () => {};
    },
  };
  const exitCode = await runCommandLine(args, environment);
  return { exitCode, stderr };
}

/** A file of so many bytes, and its SHA-256. */
function firmware(t: TestContext, size: number) {
  const folder = temporaryFolder(t);
  const file = join(folder, 'image.bin');
  const bytes = new SeededRandom(size).fill(new Uint8Array(size));
  writeFileSync(file, bytes);
  return { folder, file, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

test('put brings a firmware with its SHA-256 and shows how far it is, get fetches it whole', async (t) => {
  const { coaps } = await startTestGateway(t, { demo: true });
  const { folder, file, bytes, sha256 } = firmware(t, 300_000);
  const put = await run(['firmware', 'put', `${coaps}/firmware/pump/1.2`, '-f', file, ...credentials]);
  assert.equal(put.exitCode, 0, put.stderr);
  assert.match(put.stderr, /50 % of 300000 bytes/);
  assert.match(put.stderr, /2\.01 Created: \/firmware\/pump\/1\.2\n$/);
  const again = await run(['firmware', 'put', `${coaps}/firmware/pump`, '-f', file, ...credentials]);
  assert.match(again.stderr, new RegExp(`2\\.01 Created: /firmware/pump/${sha256.slice(0, 12)}\n$`));
  const output = join(folder, 'fetched.bin');
  const get = await run(['firmware', 'get', `${coaps}/firmware/pump/1.2`, '-o', output, ...credentials]);
  assert.equal(get.exitCode, 0, get.stderr);
  assert.match(get.stderr, new RegExp(`1\\.2: 300000 bytes, SHA-256 ${sha256}\n$`));
  assert.deepEqual(new Uint8Array(readFileSync(output)), bytes);
});

test('coapsule put FILE of a large file shows how far it is, too', async (t) => {
  const { coaps, client } = await startTestGateway(t, { demo: true });
  const { file, bytes } = firmware(t, 300_000);
  const put = await run(['put', `${coaps}/firmware/x`, '-f', file, ...credentials]);
  assert.equal(put.exitCode, 0, put.stderr);
  assert.match(put.stderr, /99 % of 300000 bytes.*2\.01 Created: \/firmware\/x\//s);
  const got = await client('sensor-042', 'MySecret16ByteK!').get(`${coaps}/firmware/x`);
  assert.deepEqual(got.payload, bytes);
});

test('put goes on from what the gateway has, and says so', async (t) => {
  const { coaps, client } = await startTestGateway(t, { demo: true });
  const { file, bytes, sha256 } = firmware(t, 300_000);
  const uri = `${coaps}/firmware/pump/1.2`;
  // Somebody who began it, and went away before its end.
  const first = client('sensor-042', 'MySecret16ByteK!');
  const gone = new AbortController();
  const begun = first
    .put(`${uri}?sha256=${sha256}`, {
      payload: (async function* () {
        yield bytes.subarray(0, 200_000);
        await new Promise((resolve) => gone.signal.addEventListener('abort', resolve));
      })(),
      signal: gone.signal,
    })
    .catch(() => undefined);
  for (let received = 0; received < 190_000; ) {
    const state = await first.get(`${uri}/upload`);
    received = state.ok ? JSON.parse(state.text()).received : 0;
  }
  gone.abort();
  await begun;
  const put = await run(['firmware', 'put', uri, '-f', file, ...credentials]);
  assert.equal(put.exitCode, 0, put.stderr);
  assert.match(put.stderr, /coapsule: the gateway has (19|20)\d{4} of 300000 bytes\n/);
  assert.deepEqual((await first.get(uri)).payload, bytes);
});

test('get goes on from what is there, and throws away what has another SHA-256', async (t) => {
  const { coaps, client } = await startTestGateway(t, { demo: true });
  const { folder, bytes, sha256 } = firmware(t, 100_000);
  const uri = `${coaps}/firmware/pump/1.2`;
  await client('sensor-042', 'MySecret16ByteK!').put(uri, { payload: bytes });
  const output = join(folder, 'fetched.bin');
  const part = `${output}.${sha256.slice(0, 12)}.part`;
  // It had stopped within a block.
  writeFileSync(part, bytes.subarray(0, 70_000));
  const get = ['firmware', 'get', uri, '-o', output, ...credentials];
  const went = await run(get);
  assert.equal(went.exitCode, 0, went.stderr);
  assert.match(went.stderr, /^\r7\d % of 100000 bytes/);
  assert.deepEqual(new Uint8Array(readFileSync(output)), bytes);
  writeFileSync(part, new Uint8Array(70_000));
  const wrong = await run(get);
  assert.equal(wrong.exitCode, 1);
  assert.match(
    wrong.stderr,
    /what came has the SHA-256 [0-9a-f]{64}, and not [0-9a-f]{64}: it was thrown away/,
  );
  assert.equal(existsSync(part), false);
});

test('get begins anew when another firmware has taken the place of the one that was described', async (t) => {
  const { folder, bytes, sha256 } = firmware(t, 5000);
  const before = '0'.repeat(64);
  let described = before;
  await using server = new Server();
  server.resource('/firmware/pump/1.2', {
    get: ({ accept }) => {
      if (accept !== 50)
        return content(bytes, { etag: Uint8Array.from(Buffer.from(sha256.slice(0, 16), 'hex')) });
      const description = { version: '1.2', size: bytes.length, sha256: described };
      described = sha256;
      return content(JSON.stringify(description), { contentFormat: 50 });
    },
  });
  const { uri } = await server.listen('coap://127.0.0.1:0');
  const output = join(folder, 'fetched.bin');
  const went = await run(['firmware', 'get', `${uri}/firmware/pump/1.2`, '-o', output]);
  assert.equal(went.exitCode, 0, went.stderr);
  assert.match(went.stderr, /it stopped: another firmware has taken the place of this one; it goes on/);
  assert.deepEqual(new Uint8Array(readFileSync(output)), bytes);
  assert.deepEqual(readdirSync(folder).sort(), ['fetched.bin', 'image.bin'], 'no part is left of the other');
});

test('a version that no gateway can have is not printed: it could move the cursor', async (t) => {
  const { folder, bytes, sha256 } = firmware(t, 100);
  await using server = new Server();
  server.resource('/firmware/pump', {
    get: () => {
      const description = { version: '1.2\u001b[2J', size: bytes.length, sha256 };
      return content(JSON.stringify(description), { contentFormat: 50 });
    },
  });
  const { uri } = await server.listen('coap://127.0.0.1:0');
  const went = await run(['firmware', 'get', `${uri}/firmware/pump`, '-o', join(folder, 'fetched.bin')]);
  assert.equal(went.exitCode, 1);
  assert.match(went.stderr, /does not describe a firmware/);
  assert.ok(!went.stderr.includes('\u001b'));
});

test('a download that is under way ends with what it began with, whatever takes its place', async (t) => {
  const { coaps, client } = await startTestGateway(t, { demo: true });
  const { folder, bytes } = firmware(t, 60_000);
  const uri = `${coaps}/firmware/pump/1.2`;
  const sensor = client('sensor-042', 'MySecret16ByteK!');
  await sensor.put(uri, { payload: bytes });
  const output = join(folder, 'fetched.bin');
  let replacing: Promise<unknown> | undefined;
  const replace = (): void => {
    replacing ??= sensor.put(uri, { payload: bytes.map((byte) => byte ^ 1) });
  };
  const went = await run(['firmware', 'get', uri, '-o', output, ...credentials], undefined, replace);
  assert.equal(went.exitCode, 0, went.stderr);
  assert.deepEqual(new Uint8Array(readFileSync(output)), bytes);
  await replacing;
  assert.notDeepEqual((await sensor.get(uri)).payload, bytes);
});

test('what cannot be is told before anything is sent', async (t) => {
  const { folder, file } = firmware(t, 10);
  const elsewhere = await run(['firmware', 'put', 'coaps://localhost/store', '-f', file, ...credentials]);
  assert.equal(elsewhere.exitCode, 64);
  assert.match(elsewhere.stderr, /"coaps:\/\/localhost\/store" names no firmware\n.*write coaps:/);
  writeFileSync(join(folder, 'empty'), '');
  const empty = await run(['firmware', 'put', 'coaps://localhost/firmware/a', '-f', join(folder, 'empty')]);
  assert.match(empty.stderr, /is empty/);
});

test('put refused for good is told once, with the code of the answer as exit code', async (t) => {
  const { coaps } = await startTestGateway(t, { demo: true, maxFirmwareBytes: 1000 });
  const { file } = firmware(t, 10_000);
  const put = await run(['firmware', 'put', `${coaps}/firmware/pump/1`, '-f', file, ...credentials]);
  assert.equal(put.exitCode, 4);
  assert.match(put.stderr, /^4\.13 Request Entity Too Large/m);
});
