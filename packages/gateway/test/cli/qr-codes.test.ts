/** Keys as QR codes and in text: what a code holds, and where it may go. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { encode } from 'uqr';
import { parsePskFile } from '../../src/cli/psk-file.ts';
import { qrSvg, qrText } from '../../src/keys/qr-code.ts';
import { run } from './recorded-environment.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'coapsule-qr-'));
});
after(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);

/** The modules of a code as they were drawn, dark ones true: two rows a line. */
function drawn(text: string): readonly (readonly boolean[])[] {
  const isPainted = text.includes('\u001b[30;107m');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.replace('\u001b[30;107m', '').replace('\u001b[0m', ''))
    .flatMap((line) =>
      ['▀█', '▄█'].map((drawing) => [...line].map((glyph) => drawing.includes(glyph) === isPainted)),
    );
}

/** The modules that a code for this content has. */
function expected(content: string): readonly (readonly boolean[])[] {
  return encode(content, { ecc: 'M', border: 4 }).data;
}

describe('a QR code', () => {
  for (const colours of [true, false]) {
    test(`${colours ? 'in black and white' : 'without colours'} has the modules of its content, with a light margin`, () => {
      const rows = drawn(qrText('sensor-7:0x00112233', colours));
      const wanted = expected('sensor-7:0x00112233');
      assert.deepEqual(rows.slice(0, wanted.length), wanted);
      assert.ok(
        wanted.slice(0, 4).every((row) => !row.includes(true)),
        'four light rows',
      );
    });
  }

  test('as a picture is SVG', () => {
    assert.match(qrSvg('a'), /^<svg [^>]*>.*<\/svg>\n$/s);
  });
});

describe('keys psk', () => {
  test('--qr draws the line that it prints, on a terminal', async () => {
    const { stdout, exitCode } = await run(['keys', 'psk', 'sensor-7', '--qr'], { isTerminal: true });
    assert.equal(exitCode, 0);
    const [line = '', ...code] = stdout.split('\n');
    assert.equal(
      line,
      `sensor-7:0x${Buffer.from(Array.from({ length: 16 }, (_, i) => i + 1)).toString('hex')}`,
    );
    const wanted = expected(line);
    assert.deepEqual(drawn(code.join('\n')).slice(0, wanted.length), wanted);
  });

  test('--qr is refused where there is no terminal, and no key is made', async () => {
    const { stdout, stderr, exitCode } = await run(['keys', 'psk', 'a', '--qr', '--file', at('none.psk')]);
    assert.deepEqual([exitCode, stdout], [64, '']);
    assert.match(stderr, /standard output is none\n {2}write it to a file with --qr-file/);
    assert.throws(() => statSync(at('none.psk')));
  });

  test('with NO_COLOR it is drawn without escape sequences', async () => {
    const variables = { NO_COLOR: '1' };
    const { stdout } = await run(['keys', 'psk', 'a', '--qr'], { isTerminal: true, variables });
    assert.ok(!stdout.includes('\u001b'));
    assert.match(stdout, /█▀/);
  });

  test('--qr-file writes a picture for its owner only, and replaces none', async () => {
    const path = at('a.svg');
    const first = await run(['keys', 'psk', 'a', '--qr-file', path]);
    assert.equal(first.exitCode, 0);
    assert.equal(readFileSync(path, 'utf8'), qrSvg(first.stdout.trim()));
    if (process.platform !== 'win32') assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal((await run(['keys', 'psk', 'a', '--qr-file', path])).exitCode, 1);
  });

  test('--qr-file - is the picture alone on standard output, for who asks for that', async () => {
    const { stdout } = await run(['keys', 'psk', 'a', '--qr-file', '-']);
    assert.match(stdout, /^<svg [^>]*>.*<\/svg>\n$/s);
  });

  test('--text makes a key of 132 bits that every reader of identity files takes for text', async () => {
    const { stdout, stderr } = await run(['keys', 'psk', 'a', '--text']);
    assert.match(stdout, /^a:[A-Za-z1-9._-]{22}\n$/);
    assert.equal(stderr, '');
    const [entry] = parsePskFile(stdout, 'stdout');
    assert.equal(new TextDecoder().decode(entry!.key), stdout.trim().slice(2));
    const short = await run(['keys', 'psk', 'a', '--text', '--length', '16']);
    assert.match(short.stderr, /a key of 16 characters can be guessed, 22 are the least/);
  });
});

describe('device', () => {
  const data = (): string[] => ['--data', at('data')];

  test('add and rotate draw identity and key of the device', async () => {
    for (const verb of ['add', 'rotate']) {
      const { stdout, exitCode } = await run(['device', verb, 'pump', '--qr', ...data()], {
        isTerminal: true,
      });
      assert.equal(exitCode, 0);
      const [key = '', ...code] = stdout.split('\n');
      assert.match(key, /^0x[0-9a-f]{32}$/);
      const wanted = expected(`pump:${key}`);
      assert.deepEqual(drawn(code.join('\n')).slice(0, wanted.length), wanted, verb);
    }
  });

  test('add makes no device where the code has nowhere to go, or nothing to hold', async () => {
    assert.equal((await run(['device', 'add', 'other', '--qr', ...data()])).exitCode, 64);
    const oscore = [
      '--oscore',
      'generate',
      '--oscore-file',
      at('other.oscore'),
      '--qr-file',
      at('other.svg'),
    ];
    const refused = await run(['device', 'add', 'other', ...oscore, ...data()]);
    assert.equal(refused.exitCode, 64);
    assert.match(refused.stderr, /a QR code holds a pre-shared key, and this is an OSCORE context/);
    assert.ok(!(await run(['device', 'list', ...data()])).stdout.includes('other'));
    assert.throws(() => statSync(at('other.oscore')));
  });

  test('show draws the code of a device only with --reveal', async () => {
    const hidden = await run(['device', 'show', 'pump', '--qr', ...data()], { isTerminal: true });
    assert.deepEqual([hidden.exitCode, hidden.stdout], [64, '']);
    assert.match(hidden.stderr, /add --reveal/);
    const args = ['device', 'show', 'pump', '--reveal', '--qr-file', '-', ...data()];
    const shown = await run(args);
    const { psk } = JSON.parse(
      (await run(['device', 'show', 'pump', '--reveal', '--json', ...data()])).stdout,
    );
    assert.equal(shown.stdout, qrSvg(`pump:${psk}`));
  });
});
