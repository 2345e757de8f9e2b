import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { appendPskLine, formatPskLine, parsePskFile, readPskFile } from '../../src/cli/psk-file.ts';
import { run } from './recorded-environment.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('identity files', () => {
  test('a line is identity:key, the key in text or hex; comments and empty lines are left out', () => {
    const text = '# keys of the lab\n\nsensor-042:MySecret16ByteK!\r\nsensor-043:0x00ff\n';
    assert.deepEqual(parsePskFile(text, 'keys.psk'), [
      { identity: bytes('sensor-042'), key: bytes('MySecret16ByteK!') },
      { identity: bytes('sensor-043'), key: Uint8Array.of(0, 255) },
    ]);
  });

  test('a line is split at its first colon: keys may have colons, identities have them as %3A', () => {
    assert.deepEqual(parsePskFile('urn%3Adev%3A1:a:b', 'keys.psk'), [
      { identity: bytes('urn:dev:1'), key: bytes('a:b') },
    ]);
  });

  const refused: readonly [string, string, RegExp][] = [
    ['a line without colon', 'a:b\nsensor', /^keys\.psk, line 2: there is no ":"/],
    ['an empty key', 'a:', /line 1: the key is empty/],
    ['a key of 0x and something else', 'a:0xzz', /line 1: the key is empty, or not hex/],
    ['a percent sign that is no escape', '50%:key', /line 1: "%" in an identity/],
    ['an identity that stands twice', 'a:1\n%61:2', /line 2: this identity stands twice/],
  ];
  for (const [sentence, text, message] of refused) {
    test(`${sentence} is refused with its line, without its key`, () => {
      assert.throws(() => parsePskFile(text, 'keys.psk'), { message, exitCode: 64 });
    });
  }

  test('a file of a whole fleet is read line by line, each compared with none of the others', () => {
    const lines = 20_000;
    const text = Array.from({ length: lines }, (_, number) => `device-${number}:0x00112233`).join('\n');
    assert.equal(parsePskFile(text, 'f').length, lines);
    assert.throws(
      () => parsePskFile(`${text}\ndevice-7:0x44`, 'f'),
      /line 20001: this identity stands twice/,
    );
  });

  test('what is written is read back, whatever bytes identity and key have', () => {
    const anyBytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
    const awkward = fc.constantFrom('#a', ' a ', 'a:b', '50%', 'a\nb', '\ufeffa', 'é', '%3A', '\u2028');
    const identity = fc.oneof(anyBytes, awkward.map(bytes), fc.string({ minLength: 1 }).map(bytes));
    fc.assert(
      fc.property(identity, anyBytes, (id, key) => {
        const entry = { identity: Uint8Array.from(id), key: Uint8Array.from(key) };
        assert.deepEqual(parsePskFile(`${formatPskLine(entry)}\n`, 'x'), [entry]);
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});

describe('identity files on disk', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'coapsule-psk-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  const entry = (id: string) => ({ identity: bytes(id), key: Uint8Array.of(1, 2) });

  test('a new file gets mode 0600, a second entry is appended, the same identity is refused', () => {
    const path = join(folder, 'new.psk');
    appendPskLine(path, entry('a'));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    appendPskLine(path, entry('b'));
    assert.equal(readFileSync(path, 'utf8'), 'a:0x0102\nb:0x0102\n');
    assert.throws(() => appendPskLine(path, entry('a')), {
      message: /has this identity already/,
      exitCode: 1,
    });
  });

  test('a file that ends without line feed gets one before the new entry', () => {
    const path = join(folder, 'open-end.psk');
    writeFileSync(path, 'a:key', { mode: 0o600 });
    appendPskLine(path, entry('b'));
    assert.equal(readFileSync(path, 'utf8'), 'a:key\nb:0x0102\n');
  });

  test('a file that others can read gets no key, and is read with a warning', () => {
    const path = join(folder, 'wide.psk');
    writeFileSync(path, 'a:key\n');
    chmodSync(path, 0o640);
    assert.throws(() => appendPskLine(path, entry('b')), {
      message: /can be read by others/,
      nextStep: `chmod 600 ${path}`,
    });
    assert.equal(readFileSync(path, 'utf8'), 'a:key\n');
    const warnings: string[] = [];
    assert.equal(readPskFile(path, (text) => warnings.push(text)).length, 1);
    assert.deepEqual(warnings, [`${path} can be read by others: chmod 600 ${path}`]);
  });

  test('keys psk prints a line of the form that --psk-file takes', async () => {
    const { exitCode, stdout } = await run(['keys', 'psk', 'urn:dev:1']);
    assert.equal(exitCode, 0);
    assert.equal(stdout, 'urn%3Adev%3A1:0x0102030405060708090a0b0c0d0e0f10\n');
  });

  test('keys psk makes an identity when none is given, and warns of short keys', async () => {
    const { stdout, stderr } = await run(['keys', 'psk', '--length', '4']);
    assert.equal(stdout, 'device-01020304:0x01020304\n');
    assert.match(stderr, /warning: a key of 4 bytes can be guessed/);
  });

  test('keys psk --file writes the file and shows no key', async () => {
    const path = join(folder, 'made.psk');
    const { exitCode, stdout, stderr } = await run(['keys', 'psk', 's1', '--file', path]);
    assert.deepEqual([exitCode, stdout, stderr], [0, '', `a key for s1 is in ${path}\n`]);
    assert.equal(parsePskFile(readFileSync(path, 'utf8'), path).length, 1);
  });
});
