/** The commands of the workspace themselves: what is missing is noticed, tests that did not run count and run two at a time, npm start ends. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import {
  type BackgroundProcess,
  type Finished,
  run,
  start,
  temporaryFolder,
  until,
} from '../interop/process.ts';

const onWindows = process.platform === 'win32' && 'Windows has no such signal';
const root = join(import.meta.dirname, '../../../..');

test('npm start runs the gateway with its arguments, and a signal to npm ends it', async (t) => {
  const folder = temporaryFolder(t);
  const ports = ['--coap', '127.0.0.1:0', '--coaps', '127.0.0.1:0', '--data', join(folder, 'data')];
  const npm = start(t, 'npm', ['start', '--', ...ports], { cwd: root });
  await npm.waitFor(/^ready \{"coap":"127\.0\.0\.1:\d+","coaps":"127\.0\.0\.1:\d+".*\}$/m, 60_000);
  npm.kill('SIGTERM');
  await npm.waitFor(/stopping/);
  await npm.finished();
});

test('npm start passes the exit code of a wrong usage', async (t) => {
  const { code } = await run(t, 'npm', ['start', '--', '--no-such-option'], { cwd: root });
  assert.equal(code, 64);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('what is installed is compared with the lockfile', async () => {
  const { staleness } = await import(join(root, 'scripts/install.js'));
  const wanted = {
    '': { version: '1.0.0' },
    'packages/a': { version: '1.0.0' },
    'node_modules/b': { version: '1.0.0', integrity: 'x' },
    'node_modules/c': { version: '1.0.0', optional: true },
  };
  const b = { version: '1.0.0', integrity: 'x' };
  for (const [sentence, present, reason] of [
    ['nothing installed is stale', undefined, /nothing/],
    ['all there is not stale, optional packages may be absent', { 'node_modules/b': b }, undefined],
    ['a missing package is stale', {}, /b is missing/],
    ['another version is stale', { 'node_modules/b': { ...b, version: '2.0.0' } }, /b is 2\.0\.0/],
    ['other content is stale', { 'node_modules/b': { ...b, integrity: 'y' } }, /b is/],
    ['a package too many is stale', { 'node_modules/b': b, 'node_modules/d': b }, /d is no longer/],
  ] as const) {
    test(sentence, () => {
      const found: string | undefined = staleness(wanted, present);
      if (reason === undefined) assert.equal(found, undefined);
      else assert.match(found ?? '', reason);
    });
  }
});

test('what npm test runs once more with several workers is there', () => {
  const runner = readFileSync(join(root, 'scripts/test.js'), 'utf8');
  const [, pattern = ''] = /pattern: \/(.*)\/,\n\s*always: true/.exec(runner) ?? [];
  const expected = [
    'packages/gateway/test/server/device-command.test.ts',
    'packages/gateway/test/interop/openssl.test.ts',
  ];
  for (const file of expected) {
    assert.ok(new RegExp(pattern).test(file), file);
    assert.ok(existsSync(join(root, file)), file);
  }
});

describe('the test runner', () => {
  const passing = `import { test } from 'node:test'; test('passes', () => {}); test('skips', { skip: true }, () => {});`;
  /** One file in each group. */
  const complete: Readonly<Record<string, string>> = {
    'coapsule/test/unit/a.test.ts': passing,
    'coapsule/test/api/a.test.ts': passing,
    'gateway/test/gateway/a.test.ts': passing,
    'gateway/test/interop/a.test.ts': passing,
    'gateway/test/packaging/a.test.ts': passing,
  };

  /** A workspace that holds only these test files. */
  function workspace(t: TestContext, files: Readonly<Record<string, string>>): string {
    const folder = temporaryFolder(t);
    for (const name of ['package.json', 'package-lock.json', 'scripts']) {
      cpSync(join(root, name), join(folder, name), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const [path, source] of Object.entries(files)) {
      const file = join(folder, 'packages', path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, source);
    }
    return folder;
  }

  /** Starts the runner in a workspace. */
  function startTests(t: TestContext, folder: string): BackgroundProcess {
    return start(t, process.execPath, ['scripts/test.js'], { cwd: folder, env: { NODE_TEST_CONTEXT: '' } });
  }

  /** Runs the runner in a workspace that holds only these test files. */
  function runTests(t: TestContext, files: Readonly<Record<string, string>>): Promise<Finished> {
    return startTests(t, workspace(t, files)).finished();
  }

  /** A test file whose only test has this body; `seen(NAME)` waits until another one has called `say(NAME)`. */
  const talking = (body: string): string => `
    import { existsSync, writeFileSync } from 'node:fs';
    import { test } from 'node:test';
    import { setTimeout as sleep } from 'node:timers/promises';
    const say = (name, text = '') => writeFileSync(name, text);
    const seen = async (name) => { while (!existsSync(name)) await sleep(10); };
    test('talks', async () => { ${body} });`;

  test('passes when all groups pass, and its last line counts the whole run', async (t) => {
    const { code, output } = await runTests(t, complete);
    assert.equal(code, 0, output);
    assert.match(output, /\n5 passed, 0 failed, 5 skipped\n$/);
  });

  for (const [sentence, change, reason] of [
    [
      'a failing test fails',
      {
        'coapsule/test/unit/b.test.ts': `import { test } from 'node:test'; test('x', () => { throw new Error('no'); });`,
      },
      /5 passed, 1 failed/,
    ],
    [
      'a file without a test fails',
      { 'coapsule/test/unit/b.test.ts': 'export {};' },
      /no test ran in .*unit\/b\.test\.ts/,
    ],
    [
      'a file without a test in a process of its own fails',
      { 'gateway/test/interop/b.test.ts': 'export {};' },
      /no test ran in .*interop\/b\.test\.ts/,
    ],
    [
      'a file that does not load fails',
      { 'gateway/test/gateway/b.test.ts': `import './nowhere.ts';` },
      /5 passed, 1 failed/,
    ],
    [
      'a process that ends early fails',
      {
        'gateway/test/gateway/b.test.ts': `import { test } from 'node:test'; test('x', () => process.exit(0));`,
      },
      /without a summary/,
    ],
  ] as const) {
    test(sentence, async (t) => {
      const { code, output } = await runTests(t, { ...complete, ...change });
      assert.equal(code, 1, output);
      assert.match(output, reason);
    });
  }

  test('two files with processes of their own run at once, and what each writes is together', async (t) => {
    const { code, output } = await runTests(t, {
      ...complete,
      'coapsule/test/api/a.test.ts': talking(
        `console.log('a begins'); say('a'); await seen('b'); console.log('a ends');`,
      ),
      'gateway/test/interop/a.test.ts': talking(
        `console.log('b begins'); say('b'); await seen('a'); console.log('b ends');`,
      ),
    });
    assert.equal(code, 0, output);
    assert.match(output, /\npackages\/coapsule\/test\/api\/a\.test\.ts\na begins\na ends\n/);
    assert.match(output, /\npackages\/gateway\/test\/interop\/a\.test\.ts\nb begins\nb ends\n/);
  });

  test('packages are built beside nothing else', async (t) => {
    const busy = (name: string): string =>
      talking(`say('${name} begins'); await sleep(100); say('${name} ends');`);
    const { code, output } = await runTests(t, {
      ...complete,
      'coapsule/test/api/a.test.ts': busy('one'),
      'gateway/test/interop/a.test.ts': busy('two'),
      'gateway/test/packaging/a.test.ts': talking(
        `for (const name of ['one ends', 'two ends']) if (!existsSync(name)) throw new Error(name);
         say('builds'); await sleep(100); say('has built');`,
      ),
      'gateway/test/packaging/b.test.ts': talking(
        `if (!existsSync('has built')) throw new Error('at once with the other one');`,
      ),
    });
    assert.equal(code, 0, output);
  });

  test('SIGTERM ends all that runs, and says how far it came', { skip: onWindows }, async (t) => {
    const hanging = (name: string): string =>
      talking(`console.log('${name} runs'); say('${name}', String(process.pid)); await sleep(60_000);`);
    const folder = workspace(t, {
      ...complete,
      'coapsule/test/api/a.test.ts': hanging('a'),
      'gateway/test/interop/a.test.ts': hanging('b'),
    });
    const runner = startTests(t, folder);
    const numbers = ['a', 'b'].map((name) => join(folder, name));
    await until(() => numbers.every((file) => existsSync(file) && statSync(file).size > 0), 'both run');
    runner.kill('SIGTERM');
    const { code, output } = await runner.finished();
    assert.equal(code, 130, output);
    for (const name of ['a', 'b']) assert.match(output, new RegExp(`^${name} runs$`, 'm'));
    for (const file of numbers)
      await until(() => !isAlive(Number(readFileSync(file, 'utf8'))), 'it has ended');
  });

  test('a group without a file fails', async (t) => {
    const { 'gateway/test/interop/a.test.ts': _, ...rest } = complete;
    const { code, output } = await runTests(t, rest);
    assert.equal(code, 1, output);
    assert.match(output, /no test file for "interoperation"/);
  });
});
