import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Code, OptionNumber, OptionSet } from 'coapsule/message';
import { decodeSenmlCbor, decodeSenmlJson } from 'coapsule/senml';
import { response, run } from './recorded-environment.ts';

const uri = 'coap://[::1]/a';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'coapsule-comforts-'));
});
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Payload, as hexadecimal digits, and content format of a request. */
async function sent(
  args: readonly string[],
  input = '',
): Promise<readonly [payload: string, format: unknown]> {
  const { requests, exitCode, stderr } = await run(['put', uri, ...args], {
    answers: [response(Code.Changed)],
    input,
  });
  assert.equal(exitCode, 0, stderr);
  const { payload, contentFormat } = requests[0]!.options;
  assert.ok(payload === undefined || payload instanceof Uint8Array);
  return [Buffer.from(payload ?? '').toString('hex'), contentFormat];
}

const hex = (text: string): string => Buffer.from(text).toString('hex');

describe('payloads', () => {
  test('a text is sent as it is, whatever it begins with', async () => {
    for (const text of ['@on', '@', '-', 'a@b'])
      assert.deepEqual(await sent(['-e', text]), [hex(text), undefined]);
  });

  test('hexadecimal digits', async () => {
    assert.deepEqual(await sent(['--payload-hex', '0x00 ff']), ['00ff', undefined]);
    assert.deepEqual(await sent(['--payload-hex', '00ff', '-t', '42']), ['00ff', 42]);
  });

  test('diagnostic notation is CBOR, and so is -e with a content format of CBOR', async () => {
    assert.deepEqual(await sent(['--cbor-diag', "{1: [2, h'03']}"]), ['a1018202' + '4103', 60]);
    assert.deepEqual(await sent(['--cbor-diag', '1', '-t', '112']), ['01', 112]);
    assert.deepEqual(await sent(['-e', '[_ 1]', '-t', 'cbor']), ['9f01ff', 'application/cbor']);
    assert.deepEqual(await sent(['-e', '[{0: "t", 2: 1.5}]', '-t', '112']), ['81a200617402f93e00', 112]);
    assert.deepEqual(await sent(['-f', file('raw.cbor', '1'), '-t', '60']), [hex('1'), 60]);
  });

  test('JSON goes as CBOR, with numbers as exact as they were', async () => {
    const json = '{"a": 1.0, "b": 12345678901234567890, "c": "\\ud83d\\ude00"}';
    const cbor = 'a36161f93c0061621bab54a98ceb1f0ad2616364f09f9880';
    assert.deepEqual(await sent(['--json-as-cbor', '-e', json]), [cbor, 60]);
    assert.deepEqual(await sent(['--json-as-cbor', '-f', '-'], json), [cbor, 60]);
    assert.deepEqual(await sent(['--json-as-cbor', '-f', file('a.json', json)]), [cbor, 60]);
  });

  test('readings are SenML, in JSON or CBOR', async () => {
    const records = [
      { name: 'temp', unit: 'Cel', value: 22.5 },
      { name: 'on', value: true },
    ];
    const args = ['--senml', 'temp=22.5 Cel', '--senml', 'on=true'];
    const [json, jsonFormat] = await sent(args);
    assert.deepEqual([decodeSenmlJson(Buffer.from(json, 'hex')), jsonFormat], [records, 110]);
    const [cbor, cborFormat] = await sent([...args, '-t', '112']);
    assert.deepEqual([decodeSenmlCbor(Buffer.from(cbor, 'hex')), cborFormat], [records, 112]);
  });

  for (const [args, cause] of [
    [['-e', 'a', '--payload-hex', '00'], /-e and --payload-hex cannot be used together/],
    [
      ['--cbor-diag', '[1'],
      /--cbor-diag is not CBOR in diagnostic notation, character 3: , or \] is missing/,
    ],
    [['-e', 'hello', '-t', '60'], /-e is not CBOR in diagnostic notation, character 1: .*\n.*file \(-f\)/],
    [['--json-as-cbor'], /--json-as-cbor needs JSON to convert\n.*-e TEXT or -f FILE/],
    [['--json-as-cbor', '-e', '{"secret'], /^coapsule: -e is not JSON( \(position \d+.*\))?\n/],
    [['--payload-hex', '0'], /Give pairs of hexadecimal digits/],
    [['--senml', 'temp'], /give NAME=VALUE/],
  ] as const) {
    test(`${args.join(' ')} is refused, and nothing is sent`, async () => {
      const { exitCode, stderr, requests } = await run(['put', uri, ...args]);
      assert.deepEqual([exitCode, requests.length], [64, 0]);
      assert.match(stderr, cause);
    });
  }
});

describe('output', () => {
  const text = '0123456789'.repeat(9);
  const json = `{"a":1,"text":"${text}"}`;
  const options = new OptionSet().add(OptionNumber.ContentFormat, 50);
  const answers = [response(Code.Content, json, options)];
  const pretty = `{\n  "a": 1,\n  "text": "${text}"\n}`;

  test('is for people on a terminal alone, unless it is asked for or not wanted', async () => {
    const stdout = async (args: readonly string[], isTerminal: boolean): Promise<string> =>
      (await run(['get', uri, ...args], { answers, isTerminal })).stdout;
    assert.equal(await stdout([], true), `${pretty}\n`);
    assert.equal(await stdout([], false), json);
    assert.equal(await stdout(['--pretty-print'], false), pretty);
    assert.equal(await stdout(['--no-pretty-print'], true), `${json}\n`);
    assert.equal(await stdout(['-o', '-'], true), `${json}\n`);
  });

  test('a file gets the payload as it came', async () => {
    const path = join(folder, 'out.json');
    await run(['get', uri, '-o', path], { answers, isTerminal: true });
    assert.equal(readFileSync(path, 'utf8'), json);
    await run(['get', uri, '-o', path, '--pretty-print'], { answers });
    assert.equal(readFileSync(path, 'utf8'), pretty);
  });
});

describe('--observe-exec', () => {
  const notification = (sequence: number, payload: string) =>
    response(
      Code.Content,
      payload,
      new OptionSet()
        .add(OptionNumber.ETag, Uint8Array.of(0xca, 0xfe))
        .add(OptionNumber.Observe, sequence)
        .add(OptionNumber.ContentFormat, 0),
    );
  const program = (text: string): string => {
    const path = file('program.mjs', text);
    return `'${process.execPath}' '${path}'`;
  };
  const echo = `
    let input = '';
    for await (const chunk of process.stdin) input += chunk;
    const { COAPSULE_URI, COAPSULE_CODE, COAPSULE_OBSERVE, COAPSULE_ETAG, COAPSULE_CONTENT_FORMAT } = process.env;
    console.log([process.argv.slice(2).join('|'), COAPSULE_URI, COAPSULE_CODE, COAPSULE_OBSERVE, COAPSULE_ETAG, COAPSULE_CONTENT_FORMAT, input].join(' '));`;

  test('runs the program for each notification, one after the other, with nothing taken for a command', async () => {
    const evil = `$(touch ${join(folder, 'evil')}); \`id\``;
    const { stdout, exitCode, stderr } = await run(
      ['observe', uri, '--observe-exec', `${program(echo)} '$HOME' a;b`],
      { answers: [notification(1, evil), notification(2, 'two')] },
    );
    assert.equal(stdout, `$HOME|a;b ${uri} 2.05 1 cafe 0 ${evil}\n$HOME|a;b ${uri} 2.05 2 cafe 0 two\n`);
    assert.deepEqual([exitCode, stderr], [0, '']);
    assert.throws(() => readFileSync(join(folder, 'evil')), { code: 'ENOENT' });
  });

  test('of many notifications the newest wait, and it is told how many were left out', async () => {
    const answers = Array.from({ length: 40 }, (_, index) => notification(index + 1, String(index + 1)));
    const { stdout, stderr } = await run(['observe', uri, '--observe-exec', 'cat'], { answers });
    // One runs, sixteen wait.
    assert.equal(stdout, ['1', ...Array.from({ length: 16 }, (_, index) => String(index + 25))].join(''));
    assert.match(stderr, /23 notifications were left out: cat takes longer than they come/);
  });

  for (const [args, cause] of [
    [['get', uri], /get alone has none\n.*-s SECONDS/],
    [['observe', 'coap://224.0.1.187/a'], /is a multicast group/],
  ] as const) {
    test(`is refused where it would not run: ${args.join(' ')}`, async () => {
      const { exitCode, stderr } = await run([...args, '--observe-exec', 'cat']);
      assert.equal(exitCode, 64);
      assert.match(stderr, cause);
    });
  }

  test('a program that fails is a warning, one that is not there ends the observation', async () => {
    const failing = await run(['observe', uri, '--observe-exec', 'false'], {
      answers: [notification(1, 'a')],
    });
    assert.equal(failing.exitCode, 0);
    assert.match(failing.stderr, /warning: false ended with exit code 1/);
    const missing = await run(['observe', uri, '--observe-exec', 'no-such-program-here x'], {
      answers: [notification(1, 'a')],
    });
    assert.equal(missing.exitCode, 1);
    assert.match(
      missing.stderr,
      /--observe-exec cannot start no-such-program-here: there is no such program\n/,
    );
  });
});
