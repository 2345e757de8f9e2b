/** The commands of the workspace themselves: what is missing is noticed, tests that did not run count, npm start ends. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { run, start, temporaryFolder } from '../interop/process.ts';

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

  /** Runs the runner in a workspace that holds only these test files. */
  async function runTests(
    t: TestContext,
    files: Readonly<Record<string, string>>,
  ): Promise<{ code: number | null; output: string }> {
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
    return run(t, process.execPath, ['scripts/test.js'], { cwd: folder, env: { NODE_TEST_CONTEXT: '' } });
  }

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

  test('a group without a file fails', async (t) => {
    const { 'gateway/test/interop/a.test.ts': _, ...rest } = complete;
    const { code, output } = await runTests(t, rest);
    assert.equal(code, 1, output);
    assert.match(output, /no test file for "interoperation"/);
  });
});
