/** `copy as`: what a form is run as arrives as what was seen. Those of other programs are run in `interop/copy-as.test.ts`. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import { Client } from 'coapsule';
import { Code, OptionNumber, OptionSet } from 'coapsule/message';
import type { CommandEnvironment } from '../../src/cli/command-environment.ts';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { copyForms } from '../../src/copy-as/copy-as.ts';
import { type SeenRequest, seenRequest } from '../../src/copy-as/seen-request.ts';
import { recordingServer } from './recording-server.ts';
import { requestRows } from './requests.ts';

const workspace = join(import.meta.dirname, '../../../..');
const folder = mkdtempSync(join(tmpdir(), 'coapsule-copy-as-'));
symlinkSync(join(workspace, 'node_modules'), join(folder, 'node_modules'));
writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
after(() => rmSync(folder, { recursive: true }));

/** The words that a shell makes of a command; with what `printf` before it writes to its standard input. */
function shellWords(text: string): { readonly words: readonly string[]; readonly input: Uint8Array } {
  const { stdout, status, stderr } = spawnSync('sh', [
    '-c',
    `coapsule() { for word in "$@"; do printf '%s\\0' "$word"; done; printf '\\0'; cat; }; ${text} < /dev/null`.replace(
      / \| (.*) < \/dev\/null$/s,
      ' | $1',
    ),
  ]);
  assert.equal(status, 0, stderr.toString());
  const end = stdout.indexOf('\0\0');
  return { words: stdout.subarray(0, end).toString().split('\0'), input: stdout.subarray(end + 2) };
}

/** Our command with a real client, and what comes by standard input. */
async function runOurs(words: readonly string[], input: Uint8Array): Promise<number> {
  const nothing = { isTerminal: false, write: () => {} };
  const environment: CommandEnvironment = {
    ...{ stdout: nothing, stderr: { isTerminal: false, write: (text) => process.stderr.write(text) } },
    variables: {},
    async *standardInput() {
      yield input;
    },
    readStandardInput: async () => input,
    createClient: async (options) => new Client(options),
    onInterrupt: () => () => {},
    after: () => () => {},
    randomBytes: (length) => new Uint8Array(length),
    wallTimeMs: () => Date.now(),
  };
  return runCommandLine(words, environment);
}

describe('copy as coapsule', () => {
  test(`${requestRows.length} requests arrive as they were seen, by our own command`, async (t) => {
    const { port, arrived } = await recordingServer(t, 'coap');
    for (const row of requestRows) {
      const { text } = copyForms.coapsule(row.seen('coap', port));
      const { words, input } = shellWords(text);
      assert.equal(await runOurs(words, input), 0, text);
      assert.deepEqual(arrived.pop(), row.arrived, `${row.name}: ${text}`);
    }
  });
});

describe('copy as TypeScript', () => {
  test(`${requestRows.length} requests arrive as they were seen, by the program`, async (t) => {
    const { port, arrived } = await recordingServer(t, 'coap');
    t.mock.method(console, 'log', () => {});
    for (const [index, row] of requestRows.entries()) {
      const { text } = copyForms.typescript(row.seen('coap', port));
      const file = join(folder, `request-${index}.ts`);
      writeFileSync(file, text);
      await import(pathToFileURL(file).href);
      assert.deepEqual(arrived.pop(), row.arrived, `${row.name}: ${text}`);
    }
  });

  test('all kinds of credentials and an observation compile under the strictest settings', () => {
    const base = requestRows[0]!.seen('coaps', 5684);
    const observed: SeenRequest = { ...base, observes: true };
    const kinds = [
      observed,
      { ...observed, method: 'FETCH' as const, payload: Uint8Array.of(1) },
      { ...base, credentials: { kind: 'psk' as const, identity: `it's "7"\\` } },
      { ...base, credentials: { kind: 'certificate' as const } },
      { ...base, credentials: { kind: 'raw-public-key' as const } },
      ...requestRows.map((row) => row.seen('coap', 5683)),
    ];
    const files = kinds.map((kind, index) => {
      const file = join(folder, `compiled-${index}.ts`);
      writeFileSync(file, copyForms.typescript(kind).text);
      return file;
    });
    const tsconfig = {
      extends: join(workspace, 'tsconfig.base.json'),
      compilerOptions: {
        ...{
          noEmit: true,
          composite: false,
          declaration: false,
          declarationMap: false,
          isolatedDeclarations: false,
        },
        ...{ rewriteRelativeImportExtensions: false, allowImportingTsExtensions: true },
        ...{ types: ['node'], typeRoots: [join(workspace, 'node_modules/@types')] },
        lib: ['ES2024', 'ESNext.Disposable'],
      },
      files,
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));
    const tsc = spawnSync(process.execPath, [join(workspace, 'node_modules/.bin/tsc'), '-p', folder]);
    assert.equal(tsc.status, 0, `${tsc.stdout}${tsc.stderr}`);
  });
});

describe('a request that was seen', () => {
  const server = { scheme: 'coap', host: '2001:db8::1', port: 5683 } as const;
  const message = (options: OptionSet, code: number = Code.Get) => ({
    ...{ code, token: new Uint8Array(), options, payload: new Uint8Array() },
  });

  test('has its URI in normal form, and tells what of it is left out', () => {
    const options = new OptionSet()
      .add(OptionNumber.UriPath, 'a b')
      .add(OptionNumber.Block2, 0x12)
      .add(OptionNumber.Observe, 1)
      .add(OptionNumber.Echo, Uint8Array.of(1));
    const request = seenRequest(message(options), server) as SeenRequest;
    assert.equal(request.uri, 'coap://[2001:db8::1]/a%20b');
    assert.equal(request.observes, false);
    assert.deepEqual(
      request.notes.map((note) => note.split(' ')[0]),
      ['Block2', 'Echo', 'it'],
    );
  });

  test('is none without a method, under OSCORE, or without a URI', () => {
    assert.equal(seenRequest(message(new OptionSet(), Code.Content), server), 'it is no request');
    const oscore = new OptionSet().add(OptionNumber.Oscore, Uint8Array.of(9));
    assert.match(seenRequest(message(oscore), server) as string, /OSCORE/);
    const dots = new OptionSet().add(OptionNumber.UriPath, '..');
    assert.match(seenRequest(message(dots), server) as string, /no URI/);
  });

  test('an observation is one in each form, and no form holds a key', () => {
    const credentials = { kind: 'psk', identity: 'sensor 7' } as const;
    const request = { ...requestRows[0]!.seen('coaps', 5684, credentials), observes: true };
    const texts = Object.fromEntries(Object.entries(copyForms).map(([form, copy]) => [form, copy(request)]));
    assert.equal(
      texts['coapsule']?.text,
      "coapsule observe coaps://127.0.0.1/echo -u 'sensor 7' --psk-file keys.psk",
    );
    assert.equal(
      texts['coap-client']?.text,
      `coap-client -m get -s 60 -u 'sensor 7' -k "$PSK_KEY" coaps://127.0.0.1/echo`,
    );
    assert.equal(
      texts['aiocoap-client']?.text,
      'aiocoap-client -m GET --observe --credentials credentials.json coaps://127.0.0.1/echo',
    );
    assert.match(texts['typescript']?.text ?? '', /for await \(const response of client\.observe\('coaps:/);
    for (const { notes } of Object.values(texts)) assert.equal(notes.length, 1);
  });

  test('an identity with control characters is the same in a shell and a program, and none of them is in what is pasted', () => {
    const identity = `a'\u001b[201~\n$(id)\u202e"\u009b\\`;
    const request = requestRows[0]!.seen('coaps', 5684, { kind: 'psk', identity });
    const { text } = copyForms.coapsule(request);
    assert.equal(shellWords(text).words[shellWords(text).words.indexOf('-u') + 1], identity);
    const program = copyForms.typescript(request).text;
    const [, written = ''] = /identity: ('.*'), key/.exec(program) ?? [];
    assert.equal(runInNewContext(written), identity);
    for (const pasted of [text, program, copyForms['coap-client'](request).text])
      assert.doesNotMatch(pasted, /[^\P{Cc}\n]|\p{Cf}/u);
    assert.doesNotMatch(text, /\n/);
  });

  test('aiocoap tells which options it cannot send', () => {
    const { notes } = copyForms['aiocoap-client'](requestRows[6]!.seen('coap', 5683));
    assert.deepEqual(notes, [
      'aiocoap-client cannot send If-Match',
      'aiocoap-client cannot send option 2050',
      'aiocoap-client cannot send option 2054',
    ]);
  });
});
