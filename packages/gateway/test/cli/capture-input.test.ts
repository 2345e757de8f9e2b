/** What `decode` and `diagnose` are given: folders, endless streams, damaged files, bare payloads, OSCORE contexts. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { OptionNumber } from 'coapsule/message';
import fc from 'fast-check';
import { readCapture } from '../../src/capture/capture-reader.ts';
import { captureInput } from '../../src/cli/capture-input.ts';
import { hexText } from '../../src/cli/option-values.ts';
import { CaptureDecoder } from '../../src/decode/capture-decoder.ts';
import { KnownSecrets } from '../../src/decode/secrets.ts';
import { CaptureFixture, device, gateway } from '../diagnosis/capture-fixture.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { run } from './recorded-environment.ts';

const long = process.env['COAPSULE_LONG'] === '1';

/** RFC 8613 Appendix C.4, the same with another Message ID, and C.7. */
const protectedRequest = '44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e';
const protectedResponse = '64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106';
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

const secret = '0102030405060708090a0b0c0d0e0f10';

function conf(salt: string, sender = '', recipient = '01'): string {
  return [
    `master_secret,hex,"${secret}"`,
    `master_salt,hex,"${salt}"`,
    `sender_id,hex,"${sender}"`,
    `recipient_id,hex,"${recipient}"`,
    '',
  ].join('\n');
}

describe('where a capture comes from', () => {
  test('a folder is none: what to do is said, with the captures that are in it', async (t) => {
    const folder = temporaryFolder(t);
    for (const command of ['decode', 'diagnose']) {
      const { exitCode, stderr } = await run([command, folder]);
      assert.equal(exitCode, 64);
      assert.match(stderr, /is a folder, and a capture is one file\n {2}name a file in pcap or pcapng form/);
    }
    writeFileSync(join(folder, 'b.pcapng'), '');
    writeFileSync(join(folder, 'a.pcap'), '');
    assert.match((await run(['decode', folder])).stderr, /such as \S+a\.pcap or \S+b\.pcapng/);
    writeFileSync(join(folder, 'settings.json'), '{}');
    assert.match(
      (await run(['diagnose', folder])).stderr,
      /if it is an OSCORE context, give it with --oscore/,
    );
  });

  test('an endless stream is read up to a bound, and what is no capture by its first bytes no further', async () => {
    let given = 0;
    const endless = (piece: Uint8Array) => ({
      standardInput: async function* () {
        for (;;) {
          given++;
          yield piece;
        }
      },
    });
    const capture = new CaptureFixture().datagram(device, gateway, 0, new Uint8Array(1000)).file;
    const cut = await captureInput('-', endless(capture), 100_000);
    assert.deepEqual([cut.bytes.length, cut.isCut], [100_000, true]);
    assert.ok(given <= Math.ceil(100_000 / capture.length));
    given = 0;
    const { bytes: read, isCut } = await captureInput('-', endless(new Uint8Array(1000)), 100_000);
    assert.deepEqual([read.length, isCut, given], [1000, false, 1]);
  });

  test('a device that never ends is no capture', {
    skip: !existsSync('/dev/zero') && '/dev/zero is not here',
  }, async () => {
    const { exitCode, stderr } = await run(['decode', '/dev/zero']);
    assert.equal(exitCode, 1);
    assert.match(stderr, /neither pcap nor pcapng/);
  });

  test('standard input is read as a file is', async () => {
    const capture = new CaptureFixture().datagram(device, gateway, 0, bytes('40010001')).file;
    const { exitCode, stdout } = await run(['decode', '-'], { input: capture });
    assert.deepEqual([exitCode, stdout.includes('CON GET id 0001')], [0, true]);
  });
});

describe('OSCORE contexts', () => {
  const capture = new CaptureFixture()
    .datagram(device, gateway, 0, bytes(protectedRequest))
    .datagram(gateway, device, 20, bytes(protectedResponse)).file;

  test('what is inside is shown with its bytes, from either end, and no key is ever printed', async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'oscore.pcapng');
    writeFileSync(file, capture);
    const ends = { client: conf('9e7ca92223786340'), server: conf('9e7ca92223786340', '01', '') };
    for (const [name, text] of Object.entries(ends)) {
      const context = join(folder, name);
      writeFileSync(context, text, { mode: 0o600 });
      const { exitCode, stdout, stderr } = await run(['decode', file, '--oscore', context, '-vv']);
      assert.deepEqual([exitCode, stderr], [0, '']);
      assert.match(stdout, /OSCORE 13 bytes OSCORE: GET \/tv1/);
      assert.match(stdout, /OSCORE: 2\.05 Content 12 bytes/);
      assert.match(
        stdout,
        / {2}OSCORE message \(under \S+, number 20\)\n {4}Code: GET \[0\]\n {4}Uri-Path: "tv1" \[1–4\]/,
      );
      assert.match(stdout, /Payload: "Hello World!"/);
      assert.doesNotMatch(stdout, new RegExp(secret));
      const json = await run(['decode', file, '--oscore', context, '--json']);
      const parts = json.stdout
        .trim()
        .split('\n')
        .flatMap((line) =>
          (JSON.parse(line) as { parts: { name: string }[] }).parts.map((part) => part.name),
        );
      assert.deepEqual(parts, ['CoAP message', 'OSCORE message', 'CoAP message', 'OSCORE message']);
      assert.equal((await run(['diagnose', file, '--oscore', context])).exitCode, 0);
    }
  });

  test('aiocoap’s folder is read too, and a context that does not fit is named', async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'oscore.pcapng');
    writeFileSync(file, capture);
    const context = join(folder, 'context');
    mkdirSync(context);
    const settings = {
      'sender-id_hex': '',
      'recipient-id_hex': '01',
      secret_hex: secret,
      salt_hex: '9e7ca92223786340',
    };
    writeFileSync(join(context, 'settings.json'), JSON.stringify(settings), { mode: 0o600 });
    const wrong = join(folder, 'wrong.conf');
    writeFileSync(wrong, conf('00'), { mode: 0o600 });
    const good = await run(['decode', file, '--oscore', wrong, '--oscore', context]);
    assert.match(good.stdout, /OSCORE: GET \/tv1/);
    assert.match(good.stderr, /wrong\.conf opened no message/);
    const { exitCode, stdout } = await run(['diagnose', file, '--oscore', wrong]);
    assert.equal(exitCode, 1);
    assert.match(
      stdout,
      /^error: oscore-context-mismatch,[^\n]*\n {2}seen: frame 1 stays closed: \S*wrong\.conf has the kid/,
    );
  });
});

describe('bare payloads', () => {
  const decoded = async (...args: readonly string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await run(['decode', ...args]);
    assert.deepEqual([exitCode, stderr], [0, ''], args.join(' '));
    return stdout;
  };

  test('by their format, in hex and base64: SenML with resolved names, CBOR, links, problem details', async () => {
    const senml = hexText(
      new TextEncoder().encode(
        '[{"bn":"urn:dev:ow:1:","bt":1700000000,"bu":"Cel","n":"t","v":21.5},{"n":"u","v":3}]',
      ),
    );
    const names = await decoded('--hex', senml, '-t', 'application/senml+json');
    assert.match(names, /urn:dev:ow:1:t: 21\.5 Cel at 1700000000/);
    assert.match(names, /urn:dev:ow:1:u: 3 Cel at 1700000000/);
    assert.match(await decoded('--base64', 'oWFhAQ', '-t', '60'), /\{"a": 1\}/);
    assert.match(await decoded('--hex', '826161f6', '-t', 'application/cbor'), /\["a", null\]/);
    assert.match(
      await decoded('--base64', Buffer.from('</a>;rt="x",</b>').toString('base64'), '-t', '40'),
      /link: <\/a>;rt="x"/,
    );
    // {-1: "no", -2: "too warm", -4: 132}
    const problem = await decoded('--hex', 'a320626e6f2168746f6f207761726d231884', '-t', '257');
    assert.match(problem, /title: "no"/);
    assert.match(problem, /detail: "too warm"/);
    assert.match(problem, /response-code: 4\.04/);
    assert.match(await decoded('--hex', '01026161', '-t', '63'), /3 items[\s\S]*2: "a"/);
  });

  test('messages of streams and OSCORE options', async () => {
    assert.match(await decoded('--hex', '210177b161', '--as', 'tcp'), /^GET token 77 \/a\n/);
    assert.match(await decoded('--hex', '01 01 77 b1 61', '--as', 'websocket'), /^GET token 77 \/a\n/);
    const option = await decoded('--hex', '19140837cbf3210017a2d3', '--as', 'oscore-option');
    assert.match(
      option,
      /Partial IV: 14 \(20\) \[1\]\n {4}kid context length: 8 \[2\]\n {4}kid context: 37cbf3210017a2d3/,
    );
    const json = JSON.parse(await decoded('--hex', '0914', '--as', 'oscore-option', '--json')) as {
      parts: { name: string }[];
    };
    assert.equal(json.parts[0]!.name, 'OSCORE option');
  });

  test('a file, or standard input, is a payload with -t', async (t) => {
    const file = join(temporaryFolder(t), 'payload');
    writeFileSync(file, '{"a":1}');
    assert.match(await decoded(file, '-t', '50'), /Payload: \{"a":1\}/);
    const { stdout } = await run(['decode', '-', '-t', '0'], { input: 'hello' });
    assert.match(stdout, /Payload: "hello"/);
  });

  test('what contradicts itself is refused', async () => {
    for (const args of [
      ['--hex', '00', '--base64', 'AA'],
      ['--as', 'tcp', 'file'],
      ['--hex', '00', '--as', 'tcp', '-t', '0'],
      ['--base64', 'A'],
      ['--base64', '*'],
    ]) {
      assert.equal((await run(['decode', ...args])).exitCode, 64, args.join(' '));
    }
  });
});

test('no output of decode moves the cursor or forges a line, whatever bytes say', async () => {
  const evil = '\u001b[2J\u202e\u0085\u2028\r\n\u0000\u007f';
  const forms = ['0', '40', '41', '50', '60', '63', '110', '112', '257', '9999'];
  const seeds = [
    new TextEncoder().encode(`<${evil}>;rt="${evil}"`),
    new TextEncoder().encode(JSON.stringify([{ n: 'a', vs: evil, u: evil }])),
    new TextEncoder().encode(evil),
    bytes('a12065'),
  ];
  const messages = [
    new CaptureFixture().message(device, gateway, 0, {
      options: [
        [OptionNumber.UriPath, evil],
        [OptionNumber.UriQuery, evil],
        [OptionNumber.UriHost, evil],
      ],
      payload: evil,
    }).file,
  ].map((file) => readCapture(file).packets[0]!.bytes.subarray(28));
  const check = ({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }): void => {
    for (const text of [stdout, stderr])
      assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
    for (const line of stdout.split('\n')) assert.ok(line.length <= 6000, `${line.length} characters`);
  };
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 80 }),
        fc
          .tuple(
            fc.constantFrom(...seeds, ...messages),
            fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
          )
          .map(([seed, changes]) => {
            const copy = seed.slice();
            for (const [at, byte] of changes) copy[at % copy.length] = byte;
            return copy;
          }),
      ),
      fc.constantFrom(...forms.map((form) => ['-t', form]), ['--as', 'tcp'], ['--as', 'oscore-option'], []),
      fc.constantFrom(['-vv'], ['--json'], []),
      async (input, form, how) => check(await run(['decode', '--hex', hexText(input), ...form, ...how])),
    ),
    { numRuns: long ? 5000 : 150, seed: 10 },
  );
});

test('a damaged capture is read as far as it makes sense, whichever byte is wrong', () => {
  const whole = readFileSync(join(import.meta.dirname, '../vectors/captures/zeek-dtls1_2.pcap'));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      fc.nat(whole.length),
      (changes, length) => {
        const file = Uint8Array.from(whole.subarray(0, length));
        for (const [at, byte] of changes) if (file.length > 0) file[at % file.length] = byte;
        const { packets } = readCapture(file);
        const decoder = new CaptureDecoder(new KnownSecrets());
        for (const packet of packets) decoder.decode(packet);
      },
    ),
    { numRuns: long ? 5000 : 100, seed: 12 },
  );
});
