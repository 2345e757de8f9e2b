import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SessionFile, type SessionSecret } from '../../src/cli/session-file.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const secret: SessionSecret = { source: 'credential', bytes: new TextEncoder().encode('MySecret16ByteK!') };
const state = new Uint8Array(188).fill(5);
const sessionFileUrl = new URL('../../src/cli/session-file.ts', import.meta.url).href;
const server = 'coaps://gateway.example:5684';

function fixture(t: TestContext): string {
  return join(temporaryFolder(t), 'session');
}

function withFile<T>(path: string, use: (file: SessionFile) => T, key = secret, of = server): T {
  const file = new SessionFile(path, key, of);
  try {
    return use(file);
  } finally {
    file.close();
  }
}

test('what was written is read by the next process, and cannot be read without the secret', (t) => {
  const path = fixture(t);
  assert.deepEqual(
    withFile(path, (file) => file.read()),
    { kind: 'none' },
  );
  withFile(path, (file) => file.write(state));
  const content = withFile(path, (file) => file.read());
  assert.ok(content.kind === 'association');
  assert.deepEqual(Uint8Array.from(content.state), state);
  assert.equal(readFileSync(path).includes(Buffer.from(state.subarray(0, 16))), false);
  assert.equal(content.unanswered, 0);
  withFile(path, (file) => file.write(state, 2));
  const counted = withFile(path, (file) => file.read());
  assert.ok(counted.kind === 'association' && counted.unanswered === 2);
  if (process.platform !== 'win32') assert.equal(statSync(path).mode & 0o777, 0o600);
  for (const [key, of, why] of [
    [{ ...secret, bytes: new Uint8Array(16) }, server, /another key/],
    [{ ...secret, source: 'key-file' }, server, /another key/],
    [secret, 'coaps://other:5684', /gateway\.example/],
  ] as const) {
    const other = withFile(path, (file) => file.read(), key, of);
    assert.ok(other.kind === 'unreadable');
    assert.match(other.why, why);
  }
});

test('each change of the file is noticed', (t) => {
  const path = fixture(t);
  withFile(path, (file) => file.write(state));
  const sound = readFileSync(path);
  for (let offset = 8; offset < sound.length; offset++) {
    const changed = Buffer.from(sound);
    changed[offset] = (changed[offset] as number) ^ 1;
    writeFileSync(path, changed);
    assert.equal(withFile(path, (file) => file.read()).kind, 'unreadable', `byte ${offset}`);
  }
  for (let length = 8; length < sound.length; length++) {
    writeFileSync(path, sound.subarray(0, length));
    assert.equal(withFile(path, (file) => file.read()).kind, 'unreadable', `${length} bytes`);
  }
});

test('a file that is no session is refused and left as it is', (t) => {
  const path = fixture(t);
  writeFileSync(path, 'my diary');
  assert.throws(() => withFile(path, (file) => file.read()), /is no session file/);
  assert.equal(readFileSync(path, 'utf8'), 'my diary');
});

test('two processes cannot use it at once', (t) => {
  const path = fixture(t);
  withFile(path, () => {
    assert.throws(() => new SessionFile(path, secret, server), /another process uses the session/);
  });
  withFile(path, (file) => file.write(state));
});

test('a session has one lock and one file, through whatever links it is named, before and after its first write', (t) => {
  const path = fixture(t);
  const folder = join(path, '..');
  symlinkSync(path, join(folder, 'link'));
  symlinkSync(folder, join(folder, 'folder'));
  mkdirSync(join(folder, 'other'));
  symlinkSync('../session', join(folder, 'other', 'relative'));
  const names = ['folder/session', 'other/../session', 'folder/folder/session'];
  withFile(path, () => {
    for (const name of names) {
      assert.throws(() => withFile(join(folder, name), () => {}), /another process uses/, name);
    }
  });
  assert.throws(() => withFile(join(folder, 'link'), () => {}), /a link that leads to no file/);
  withFile(path, (file) => file.write(state));
  for (const name of [...names, 'link', 'other/relative']) {
    withFile(path, () => {
      assert.throws(() => withFile(join(folder, name), () => {}), /another process uses/, name);
    });
    const changed = new Uint8Array(state.length).fill(name.length);
    withFile(join(folder, name), (file) => file.write(changed));
    const content = withFile(path, (file) => file.read());
    assert.deepEqual(content.kind === 'association' && Uint8Array.from(content.state), changed, name);
  }
});

test('a disk that takes only a part of the file is an error, and the session of before stays', {
  skip: process.platform !== 'linux' && 'needs a limit on the size of files',
}, (t) => {
  const path = fixture(t);
  withFile(path, (file) => file.write(state));
  const before = readFileSync(path);
  const program = `
    import { SessionFile } from ${JSON.stringify(sessionFileUrl)};
    process.on('SIGXFSZ', () => {});
    const secret = { source: 'credential', bytes: new TextEncoder().encode('MySecret16ByteK!') };
    const file = new SessionFile(${JSON.stringify(path)}, secret, ${JSON.stringify(server)});
    try {
      file.write(new Uint8Array(60_000));
      process.stdout.write('written');
    } catch (error) {
      process.stdout.write(error.code);
    }`;
  const shell =
    'ulimit -f 16; exec "$0" --conditions=@coapsule/source --input-type=module-typescript -e "$1"';
  const { stdout, stderr } = spawnSync('bash', ['-c', shell, process.execPath, program], {
    encoding: 'utf8',
  });
  assert.equal(stdout, 'EFBIG', stderr);
  assert.deepEqual(readFileSync(path), before);
});

test('no two writes have the same key and nonce, so nothing is learned from two copies', (t) => {
  const path = fixture(t);
  const headers = new Set<string>();
  withFile(path, (file) => {
    for (let i = 0; i < 50; i++) {
      file.write(state);
      headers.add(readFileSync(path).subarray(9, 37).toString('hex'));
    }
  });
  assert.equal(headers.size, 50);
});

test('a removed session is gone', (t) => {
  const path = fixture(t);
  withFile(path, (file) => {
    file.write(state);
    file.remove();
    file.remove();
    assert.equal(file.read().kind, 'none');
  });
});
