import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { changed, content, type Listener, Server } from 'coapsule';
import { readCapture } from '../../src/capture/capture-reader.ts';
import type { CommandEnvironment } from '../../src/cli/command-environment.ts';
import { runCommandLine } from '../../src/cli/command-line.ts';
import { processEnvironment } from '../../src/cli/process-environment.ts';
import { historyPath, mayHoldKey } from '../../src/shell/shell-history.ts';
import { resolved, targetOf } from '../../src/shell/shell-target.ts';

const key = 'MySecret16ByteK!';
const launcher = fileURLToPath(new URL('../../bin/coapsule.js', import.meta.url));

const server = new Server();
let plain: Listener;
let secure: Listener;
let folder: string;
let light = 'off';
let handshakes = 0;
let waiting = 0;
let release = (): void => {};

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coapsule-shell-'));
  server
    .resource('/light', {
      observable: true,
      get: () => content(light),
      put: (request) => {
        light = request.text();
        server.notify('/light');
        return changed();
      },
    })
    .resource('/sensors/temp', { get: () => content('{"v":1}', { contentFormat: 'application/json' }) })
    .resource('/sensors/rh', { get: () => content('40') })
    .resource('/slow', {
      get: async () => {
        waiting++;
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return content('late');
      },
    });
  plain = await server.listen('coap://127.0.0.1:0');
  secure = await server.listen('coaps://127.0.0.1:0', {
    psk: { lookup: new Map([['sensor-042', new TextEncoder().encode(key)]]) },
    trace: (event) => {
      if (event.kind === 'connected') handshakes++;
    },
  });
});
after(async () => {
  release();
  await server.close();
  rmSync(folder, { recursive: true });
});

const at = (): string => `coap://127.0.0.1:${plain.port}`;
const secureAt = (): string => `coaps://127.0.0.1:${secure.port}`;

interface Shell {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Feeds lines to a shell. */
async function fed(args: readonly string[], lines: readonly string[]): Promise<Shell> {
  let stdout = '';
  let stderr = '';
  const environment: CommandEnvironment = {
    ...processEnvironment(),
    variables: {},
    stdout: { isTerminal: false, write: (data) => (stdout += Buffer.from(data)) },
    stderr: { isTerminal: false, write: (data) => (stderr += Buffer.from(data)) },
    terminal: () => undefined,
    standardInput: async function* () {
      yield Buffer.from(`${lines.join('\n')}\n`);
    },
  };
  const exitCode = await runCommandLine(['shell', ...args], environment);
  return { exitCode, stdout, stderr };
}

describe('places', () => {
  for (const [place, name, uri] of [
    ['coap://h/a/b', undefined, 'coap://h/a/b'],
    ['coap://h/a/b', 'c', 'coap://h/a/b/c'],
    ['coap://h/a/b/', 'c', 'coap://h/a/b/c'],
    ['coap://h/a/b', '/c', 'coap://h/c'],
    ['coap://h/a/b', '..', 'coap://h/a'],
    ['coap://h/a/b', '../../../x', 'coap://h/x'],
    ['coap://h/a/b', './c?q=/..', 'coap://h/a/b/c?q=/..'],
    ['coap://h/a', '?q=1', 'coap://h/a?q=1'],
    ['coap://h', 'a/', 'coap://h/a/'],
    ['coap://h/a', 'coaps://o:1/x', 'coaps://o:1/x'],
    ['coap+serial://%2Ftmp%2Fline:9600/a', '/b', 'coap+serial://%2Ftmp%2Fline:9600/b'],
  ] as const) {
    test(`${name ?? 'nothing'} from ${place} is ${uri}`, () =>
      assert.equal(resolved(targetOf(place), name), uri));
  }

  test('without a place a name means nothing', () => assert.equal(resolved(undefined, 'a'), undefined));
});

describe('a script', () => {
  test('runs verbs from where it is, and prints payloads alone', async () => {
    const { exitCode, stdout, stderr } = await fed(
      [at()],
      [
        '# a comment',
        'put /light -e on',
        'get light',
        '',
        'cd sensors',
        'pwd',
        'get rh -v',
        'get temp -A json',
        'ls ..',
        'ls',
      ],
    );
    assert.equal(exitCode, 0, stderr);
    assert.equal(
      stdout,
      `on${at()}/sensors\n40{"v":1}/light\n/sensors/rh\n/sensors/temp\n/slow\n/sensors/rh\n/sensors/temp\n`,
    );
    assert.match(stderr, /2\.05 Content/);
  });

  test('has one DTLS session for all that goes to one server', async () => {
    handshakes = 0;
    const { exitCode, stdout, stderr } = await fed(
      [secureAt(), '-u', 'sensor-042', '-k', key],
      [
        'get /light',
        'get /sensors/rh -v',
        'observe /light -s 2',
        'put /light -e dim',
        'wait',
        'ping',
        'discover',
      ],
    );
    assert.equal(exitCode, 0, stderr);
    assert.equal(handshakes, 1);
    assert.match(stdout, /^on40\[1\] on\n\[1\] dim\n/);
  });

  test('is captured whole by -w', async () => {
    const path = join(folder, 'shell.pcapng');
    const { exitCode, stderr } = await fed([at(), '-w', path], ['get /light', 'get /sensors/rh', 'ping']);
    assert.equal(exitCode, 0, stderr);
    const { packets, fault } = readCapture(readFileSync(path));
    assert.deepEqual([packets.length, fault], [6, undefined]);
  });

  test('ends at the first line that fails, with its exit code', async () => {
    const { exitCode, stdout, stderr } = await fed([at()], ['get /light', 'get /nowhere', 'get /light']);
    assert.deepEqual([exitCode, stdout], [4, 'dim']);
    assert.match(stderr, /4\.04 Not Found[\s\S]*coapsule: line 2, where the script ends: get failed with 4/);
  });

  test('goes on with --keep-going, and has the exit code of the first that failed', async () => {
    const lines = ['get /nowhere', 'frobnicate', 'get /light'];
    const { exitCode, stdout, stderr } = await fed(['--keep-going', at()], lines);
    assert.deepEqual([exitCode, stdout], [4, 'dim']);
    assert.match(stderr, /line 1: get failed with 4/);
    assert.match(stderr, /there is no command "frobnicate" here\n/);
  });

  test('exit ends it', async () => {
    assert.deepEqual(await fed([at()], ['exit', 'get /nowhere']), { exitCode: 0, stdout: '', stderr: '' });
  });

  test('options that are set count for all verbs that have them, until they are unset', async () => {
    const { stdout, stderr, exitCode } = await fed(
      [at()],
      ['set accept json', 'set non', 'set', 'get /sensors/temp', 'unset accept', 'unset non', 'set'],
    );
    assert.equal(exitCode, 0, stderr);
    assert.equal(stdout, 'accept json\nnon\n{"v":1}');
  });

  for (const [line, cause] of [
    ['get /light', /get needs a server\n.*cd coap:\/\/HOST/],
    ['gett /light', /did you mean get\?/],
    ['set acept json', /did you mean accept\?/],
    ['set accept', /"accept" needs a value/],
    ['set accept nonsense', /set accept nonsense: Give a number or a registered name/],
    ['set session a', /--session is not for the shell/],
    ['get coap://h/ --session x', /--session is not for the shell/],
    ['cd localhost', /"localhost" is not a URI|did you mean coap:\/\/localhost/],
    ['get "a', /character 5: the closing " is missing/],
    ['put coap://127.0.0.1/ -f -', /standard input is where the shell has its lines from/],
    ['cancel 7', /there is no observation 7/],
    ['sleep long', /sleep needs seconds/],
  ] as const) {
    test(`"${line}" is refused with 64`, async () => {
      const { exitCode, stderr } = await fed([], [line]);
      assert.equal(exitCode, 64, stderr);
      assert.match(stderr, cause);
    });
  }

  test('a key that is set is not printed', async () => {
    const { stdout, stderr } = await fed(
      [secureAt()],
      ['set identity sensor-042', `set key ${key}`, 'set', 'get /light', 'set key 0xTopSecret'],
    );
    assert.equal(stdout, 'identity sensor-042\nkey ***\ndim');
    assert.ok(!stderr.includes('TopSecret'), stderr);
  });

  test('help tells of all commands, and of the options of a verb', async () => {
    const { stdout } = await fed([], ['help', 'help get', 'help cd']);
    for (const word of ['observe', 'ipatch', 'cd [PATH|URI]', 'unset NAME', '--block-size'])
      assert.ok(stdout.includes(word), word);
  });

  test('observations are listed and cancelled', async () => {
    const { stdout, exitCode, stderr } = await fed(
      [at()],
      [
        'observe /light',
        'observe /light --json',
        'observations',
        'cancel 1',
        'observations',
        'cancel all',
        'observations',
      ],
    );
    assert.equal(exitCode, 0, stderr);
    const lists = stdout.split('\n').filter((line) => line.endsWith('notifications'));
    assert.deepEqual(lists, [
      `[1] ${at()}/light, 1 notifications`,
      `[2] ${at()}/light, 1 notifications`,
      `[2] ${at()}/light, 1 notifications`,
    ]);
  });
});

/** A terminal that is typed into; `shown` is all that it shows. */
class TypedTerminal {
  readonly input: PassThrough = new PassThrough();
  readonly output: PassThrough = new PassThrough();
  shown = '';
  readonly ended: Promise<number>;

  constructor(args: readonly string[], variables: Record<string, string> = {}) {
    this.output.on('data', (data: Uint8Array) => {
      this.shown += Buffer.from(data);
      this.output.emit('shown');
    });
    const stream = {
      isTerminal: true,
      write: (data: Uint8Array | string): void => void this.output.write(data),
    };
    this.ended = runCommandLine(['shell', ...args], {
      ...processEnvironment(),
      variables,
      stdout: stream,
      stderr: stream,
      terminal: () => ({ input: this.input, output: this.output }),
    });
  }

  /** Types, and waits until something is shown behind what was shown before. */
  async type(text: string, wanted: string | RegExp): Promise<string> {
    const from = this.shown.length;
    this.input.write(text);
    return this.until(wanted, from);
  }

  async until(wanted: string | RegExp, from = 0): Promise<string> {
    for (;;) {
      const since = stripVTControlCharacters(this.shown.slice(from));
      if (typeof wanted === 'string' ? since.includes(wanted) : wanted.test(since)) return since;
      await once(this.output, 'shown', { signal: AbortSignal.timeout(60_000) }).catch(() => {
        throw new Error(`"${wanted}" did not come; shown: ${JSON.stringify(since)}`);
      });
    }
  }
}

describe('on a terminal', () => {
  test('prompts with the place, completes commands, options and paths of the server, and leaves at Ctrl-D', async () => {
    const terminal = new TypedTerminal([at(), '--no-history']);
    await terminal.until(`${at()}/> `);
    await terminal.type('obs\t', 'observ');
    await terminal.type('\u0015get /sensors/t\t', '/sensors/temp');
    await terminal.type(' --acc\t', '--accept ');
    await terminal.type('j', 'j');
    await terminal.type('\u0015cd sens\t', 'sensors/');
    await terminal.type('\u0015cd sensors\n', `${at()}/sensors> `);
    await terminal.type('get te\t', 'temp');
    await terminal.type('\n', /\{"v": 1\}\n[\s\S]*sensors> $/);
    terminal.input.write('\u0004');
    assert.equal(await terminal.ended, 0);
  });

  test('Ctrl-C ends what runs and leaves the shell running; at the prompt it leaves the line', async () => {
    const terminal = new TypedTerminal([at(), '--no-history']);
    await terminal.until('> ');
    waiting = 0;
    terminal.input.write('get /slow\n');
    while (waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    await terminal.type('\u0003', /interrupted\n[\s\S]*> $/);
    release();
    await terminal.type('get /nonsense', 'nonsense');
    await terminal.type('\u0003', /\^C\n[\s\S]*> $/);
    await terminal.type('get /light\n', /dim\n[\s\S]*> $/);
    terminal.input.write('exit\n');
    assert.equal(await terminal.ended, 0);
  });

  test('what an observation prints stands above the line that is typed', async () => {
    const terminal = new TypedTerminal([at(), '--no-history']);
    await terminal.until('> ');
    await terminal.type('observe /light\n', '[1] dim\n');
    await terminal.type('get /sen', 'get /sen');
    light = 'bright';
    const from = terminal.shown.length;
    server.notify('/light');
    await terminal.until(/\[1\] bright\n[\s\S]*get \/sen/, from);
    terminal.input.write('\u0015exit\n');
    assert.equal(await terminal.ended, 0);
    light = 'dim';
  });

  test('the history is for its owner alone, comes back, and has no key in it', async () => {
    const path = join(folder, 'state', 'history');
    const first = new TypedTerminal([at()], { COAPSULE_HISTORY: path });
    await first.until('> ');
    const lines = [
      'get /light',
      `get ${secureAt()}/light -u sensor-042 -k ${key}`,
      `get ${secureAt()}/light -u sensor-042 --key=${key}`,
      `set key ${key}`,
      `get /light --kye ${key}`,
      `${key}`,
      'pwd',
    ];
    for (const line of lines) await first.type(`${line}\n`, /> $/);
    first.input.write('exit\n');
    await first.ended;
    assert.equal(readFileSync(path, 'utf8'), 'get /light\npwd\nexit\n');
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const second = new TypedTerminal([at()], { COAPSULE_HISTORY: path });
    await second.until('> ');
    await second.type('\u001b[A\u001b[A\u001b[A', 'get /light');
    await second.type('\u0015history\n', 'get /light\npwd\nexit\n');
    second.input.write('\u0004');
    await second.ended;
  });
});

test('lines that may hold a key are known by their options', () => {
  for (const line of [
    'get a -k x',
    'get a -Nk x',
    'get a -kx',
    'get a --key x',
    'get a --key=x',
    '  set  key x',
    'set "key" x',
    `'set' ke"y" x`,
    'get -u a "--"key x',
    'get -u a \\-k x',
    'get -u a -"k" x',
  ])
    assert.ok(mayHoldKey(line, true), line);
  for (const line of [
    'get /key',
    'put /a -e key',
    'get a --keylog f',
    'get a --psk-file f',
    'set accept json',
  ])
    assert.ok(!mayHoldKey(line, true) || line.includes('--keylog'), line);
  assert.ok(mayHoldKey('anything', false));
  assert.equal(historyPath({ HOME: '/h' }), '/h/.local/state/coapsule/shell-history');
  assert.equal(historyPath({ HOME: '/h', XDG_STATE_HOME: '/s' }), '/s/coapsule/shell-history');
  assert.equal(historyPath({ HOME: '/h', COAPSULE_HISTORY: '' }), undefined);
  assert.equal(historyPath({}), undefined);
});

test('a process on a pseudo-terminal prompts, answers and ends with exit', {
  skip:
    spawnSync('socat', ['-V']).error !== undefined &&
    process.env['COAPSULE_REQUIRE_PEERS'] !== '1' &&
    'socat is missing: apt-get install socat',
}, async () => {
  const script = join(folder, 'shell.sh');
  writeFileSync(
    script,
    `#!/bin/sh\nexec '${process.execPath}' '${launcher}' shell '${at()}' --no-history\n`,
    {
      mode: 0o755,
    },
  );
  const child = spawn('socat', ['-', `EXEC:${script},pty,raw,echo=0`]);
  let shown = '';
  child.stdout.on('data', (data) => {
    shown += data;
  });
  const until = async (wanted: RegExp): Promise<void> => {
    while (!wanted.test(shown))
      await once(child.stdout, 'data', { signal: AbortSignal.timeout(60_000) }).catch(() => {
        throw new Error(`${wanted} did not come: ${JSON.stringify(shown)}`);
      });
  };
  try {
    await until(/> /);
    child.stdin.write('get /light\r');
    await until(/dim\r?\n/);
    child.stdin.write('exit\r');
    await once(child, 'close');
  } finally {
    child.kill('SIGKILL');
  }
});
