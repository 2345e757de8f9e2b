import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { changed, content, created, deleted, type Listener, Server } from 'coapsule';
import { Code } from 'coapsule/message';
import { readCapture } from '../../src/capture/capture-reader.ts';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';

const key = 'MySecret16ByteK!';
const example = /```yaml\n([\s\S]*?)```/.exec(
  readFileSync(fileURLToPath(new URL('../../../../docs/collections.md', import.meta.url)), 'utf8'),
)![1]!;

const server = new Server();
let plain: Listener;
let secure: Listener;
let folder: string;
let light = 'on';
let note: Uint8Array | undefined;
let handshakes = 0;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coapsule-run-'));
  server
    .resource('/light', {
      observable: true,
      get: () => content(light),
      put: (request) => {
        light = request.text();
        return changed();
      },
    })
    .resource('/state', {
      get: () =>
        content(JSON.stringify({ on: light === 'on', room: 'kitchen', level: 40 }), {
          contentFormat: 'application/json',
          etag: Uint8Array.of(1, 2),
        }),
    })
    .resource('/notes', {
      post: (request) => {
        note = request.payload;
        return created('/notes/1');
      },
    })
    .resource('/notes/1', {
      get: () =>
        note === undefined ? { code: Code.NotFound } : content(note, { contentFormat: 'application/cbor' }),
      delete: () => {
        note = undefined;
        return deleted();
      },
    })
    .resource('/echo', { post: (request) => content(`you said ${request.text()}`) });
  plain = await server.listen('coap://127.0.0.1:0');
  secure = await server.listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map([['sensor-042', new TextEncoder().encode(key)]]) },
    trace: (event) => {
      if (event.kind === 'connected') handshakes++;
    },
  });
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], variables: Record<string, string> = {}): Promise<Ran> {
  let stdout = '';
  let stderr = '';
  const exitCode = await runCommandLine(['run', ...args], {
    ...processEnvironment(),
    variables,
    stdout: {
      isTerminal: false,
      write: (data) => {
        stdout += Buffer.from(data).toString();
      },
    },
    stderr: {
      isTerminal: false,
      write: (data) => {
        stderr += Buffer.from(data).toString();
      },
    },
  });
  return { exitCode, stdout, stderr };
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const exampleFile = (): string =>
  file('light.coap.yml', example.replace(':5683', `:${plain.port}`).replace(':5684', `:${secure.port}`));

describe('the example of docs/collections.md', () => {
  test('holds over CoAP', async () => {
    const { exitCode, stdout, stderr } = await run([exampleFile(), '--env', 'local']);
    assert.equal(exitCode, 0, `${stdout}${stderr}`);
    assert.match(stdout, /^ok {6}setup: light goes off \(2\.04, [\d.]+ ms\)\nok {6}light is off \(2\.05, /);
    assert.match(stdout, /9 passed, 0 failed, 0 skipped\n$/);
    assert.equal(stderr, '');
  });

  test('holds over CoAPs with the key of an environment variable, in one DTLS session, and the key is printed nowhere', async () => {
    handshakes = 0;
    const ran = await run([exampleFile(), '--env', 'secured', '--json', '-vvv'], { LIGHT_KEY: key });
    assert.equal(ran.exitCode, 0, ran.stderr);
    assert.equal(handshakes, 1);
    const report = JSON.parse(ran.stdout);
    assert.deepEqual([report.passed, report.failed, report.holds], [9, 0, true]);
    assert.deepEqual(Object.keys(report.files[0].results[0]), [
      'section',
      'name',
      'line',
      'method',
      'uri',
      'code',
      'durationMs',
      'checks',
      'problem',
      'outcome',
    ]);
    assert.ok(!`${ran.stdout}${ran.stderr}`.includes(key));
  });

  test('is captured whole by -w, with what decrypts it, for its owner alone', async () => {
    const path = join(folder, 'run.pcapng');
    const ran = await run([exampleFile(), '--env', 'secured', '-w', path], { LIGHT_KEY: key });
    assert.equal(ran.exitCode, 0, ran.stderr);
    const { packets, keyLog, fault } = readCapture(readFileSync(path));
    assert.equal(fault, undefined);
    assert.ok(packets.length >= 18, `${packets.length} packets`);
    assert.match(keyLog.join('\n'), /^CLIENT_RANDOM /m);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test('is read by --check, and nothing is sent', async () => {
    const { exitCode, stdout } = await run([exampleFile(), '--env', 'local', '--check']);
    assert.deepEqual([exitCode, stdout], [0, `${exampleFile()}: 9 requests\n`]);
    assert.equal(note, undefined);
  });
});

describe('a run', () => {
  test('that does not hold ends with 1 and tells line, what was expected and what came', async () => {
    const path = file(
      'fails.coap.yml',
      `variables: { target: "coap://127.0.0.1:${plain.port}" }
requests:
  - name: light is blue
    uri: \${target}/light
    expect: { body: blue }
  - { name: nothing, uri: "\${target}/nothing" }
`,
    );
    const junit = join(folder, 'junit.xml');
    const { exitCode, stdout } = await run([path, '--junit', junit]);
    assert.equal(exitCode, 1);
    assert.match(
      stdout,
      new RegExp(
        `^FAILED  light is blue \\(2\\.05, .* ms\\)\\n {10}line 3: GET coap://127\\.0\\.0\\.1:${plain.port}/light\\n {10}expected body is "blue"; found "off"\\n`,
      ),
    );
    assert.match(stdout, /expected code 2\.xx; found 4\.04/);
    assert.match(stdout, /0 passed, 2 failed, 0 skipped\n$/);
    assert.match(readFileSync(junit, 'utf8'), /<testsuites tests="2" failures="2" skipped="0"/);
  });

  test('reads payloads from files beside it, and has variables from the command line', async () => {
    writeFileSync(join(folder, 'note.bin'), 'from a file');
    const path = file(
      'files.coap.yml',
      `requests:
  - name: echo
    method: POST
    uri: \${target}/echo
    payload: { file: note.bin }
    expect: { body: you said from a file }
variables: { target: "coap://nowhere.invalid" }
`,
    );
    const { exitCode, stdout, stderr } = await run([path, '--var', `target=coap://127.0.0.1:${plain.port}`]);
    assert.equal(exitCode, 0, `${stdout}${stderr}`);
  });

  test('shows no secret, even when the server sends it back', async () => {
    file('token', 'TopSecretToken\n');
    const path = file(
      'secret.coap.yml',
      `environments:
  here:
    secrets: { token: { file: token } }
requests:
  - name: echo
    method: POST
    uri: coap://127.0.0.1:${plain.port}/echo?t=\${token}
    payload: \${token}
    expect: { body: something else }
    capture: { said: body }
  - { name: again, uri: "coap://127.0.0.1:${plain.port}/\${said}" }
`,
    );
    for (const args of [[path], [path, '--json'], [path, '-vvv']]) {
      const { exitCode, stdout, stderr } = await run([...args, '--junit', join(folder, 'secret.xml')]);
      assert.equal(exitCode, 1);
      const shown = `${stdout}${stderr}${readFileSync(join(folder, 'secret.xml'), 'utf8')}`;
      assert.ok(!shown.includes('TopSecret'), shown);
      assert.ok(shown.includes('you said ***'), shown);
    }
  });

  test('of several files tells each, and holds only when all do', async () => {
    const { exitCode, stdout } = await run([exampleFile(), join(folder, 'fails.coap.yml'), '--env', 'local']);
    // The second has no environment of that name.
    assert.equal(exitCode, 64);
    assert.equal(stdout, '');
    const one = await run([
      join(folder, 'fails.coap.yml'),
      join(folder, 'fails.coap.yml'),
      '--only',
      'nothing',
    ]);
    assert.match(
      one.stdout,
      /fails\.coap\.yml\nFAILED {2}nothing .*\n[\s\S]*fails\.coap\.yml\nFAILED {2}nothing /,
    );
    assert.match(one.stdout, /0 passed, 2 failed/);
  });

  test('waits for notifications', async () => {
    const path = file(
      'observe.coap.yml',
      `requests:
  - name: two
    uri: coap://127.0.0.1:${plain.port}/light
    observe: { notifications: 2, within: 2 }
`,
    );
    const { exitCode, stdout } = await run([path]);
    assert.equal(exitCode, 1);
    assert.match(stdout, /expected 2 notifications within 2 s; found 1/);
    const again = file(
      'observe-more.coap.yml',
      readFileSync(path, 'utf8').replace('within: 2', 'within: 30'),
    );
    const pending = run([again]);
    const change = setInterval(() => server.notify('/light'), 20);
    const { exitCode: held, stdout: told } = await pending;
    clearInterval(change);
    assert.equal(held, 0, told);
  });

  for (const [name, text, args, faults] of [
    [
      'wrong.coap.yml',
      'requests:\n  - name: a\n    urii: coap://h/\n    expect: { code: 999 }\n',
      [],
      [
        /wrong\.coap\.yml:3:5: requests\[0\]\.urii is no key here: did you mean uri\?/,
        /wrong\.coap\.yml:4:21: .*expected a response code/,
      ],
    ],
    [
      'env.coap.yml',
      'environments:\n  a: { secrets: { k: { env: NOT_SET } } }\nrequests: [{ name: a, uri: "coap://h/${k}" }]\n',
      [],
      [/env\.coap\.yml:2: secret k: the environment variable NOT_SET is not set/],
    ],
    [
      'only.coap.yml',
      'requests: [{ name: light, uri: "coap://h/" }]\n',
      ['--only', 'ligth'],
      [/only\.coap\.yml:1: there is no request "ligth": did you mean light\?/],
    ],
  ] as const) {
    test(`${name} is refused with 64, with file, line and key`, async () => {
      const { exitCode, stdout, stderr } = await run([file(name, text), ...args]);
      assert.deepEqual([exitCode, stdout], [64, '']);
      for (const fault of faults) assert.match(stderr, fault);
      assert.match(stderr, /docs\/collections\.md/);
    });
  }

  test('of no file is refused, and --print-schema prints the published schema', async () => {
    assert.equal((await run([])).exitCode, 64);
    const { stdout } = await run(['--print-schema']);
    assert.equal(
      stdout,
      readFileSync(fileURLToPath(new URL('../../collection.schema.json', import.meta.url)), 'utf8'),
    );
  });
});
