import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../../bin/coapsule.js', import.meta.url));
const printArguments = 'process.stdout.write(JSON.stringify(process.argv.slice(2))); process.exitCode = 5;\n';

/** Loaded before the launcher: makes it believe in another version of Node. */
function pretend(version: string): string {
  const code = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;
  return `--import=data:text/javascript,${encodeURIComponent(code)}`;
}

describe('the launcher', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'coapsule-launcher-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** A copy of the package with a program that prints its arguments and ends with 5. */
  function packageAt(...path: readonly string[]): string {
    const root = join(folder, ...path);
    for (const entry of ['src/cli/main.ts', 'dist/cli/main.js']) {
      mkdirSync(dirname(join(root, entry)), { recursive: true });
      writeFileSync(join(root, entry), printArguments);
    }
    writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
    cpSync(launcher, join(root, 'bin', 'coapsule.js'), { recursive: true });
    return join(root, 'bin', 'coapsule.js');
  }

  function runNode(...args: readonly string[]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    return { status, stdout, stderr };
  }

  test('installed, it runs the compiled files in the same process', () => {
    const bin = packageAt('app', 'node_modules', '@coapsule', 'gateway');
    rmSync(join(dirname(dirname(bin)), 'src'), { recursive: true });
    assert.deepEqual(runNode(bin, 'get', '-v'), { status: 5, stdout: '["get","-v"]', stderr: '' });
  });

  test('installed, it does not run the sources that come with the package', () => {
    const bin = packageAt('with-sources', 'node_modules', '@coapsule', 'gateway');
    writeFileSync(join(dirname(dirname(bin)), 'src', 'cli', 'main.ts'), 'throw new Error("sources");\n');
    assert.equal(runNode(bin, 'x').stdout, '["x"]');
  });

  test('in a checkout it runs the sources, with the condition that finds those of the library', () => {
    const bin = packageAt('checkout', 'packages', 'gateway');
    writeFileSync(
      join(dirname(dirname(bin)), 'src', 'cli', 'main.ts'),
      'process.stdout.write(process.execArgv.join(" ") + process.argv.slice(2).join(" "));\n',
    );
    const { status, stdout } = runNode(bin, 'a b');
    assert.equal(status, 0);
    assert.match(stdout, /--conditions=@coapsule\/source .*a b$/);
  });

  for (const [where, path, advice] of [
    ['installed', ['old', 'node_modules', 'gateway'], /install a newer Node/],
    ['in a checkout', ['old-checkout', 'gateway'], /run "npm ci"/],
  ] as const) {
    test(`${where}, on a Node that is too old, one line says so and the exit code is 1`, () => {
      for (const version of ['18.20.0', '24.10.9']) {
        const { status, stdout, stderr } = runNode(pretend(version), packageAt(...path), 'get');
        assert.deepEqual([status, stdout], [1, '']);
        assert.match(
          stderr,
          new RegExp(`^coapsule: Node 24\\.11 or later is needed, this is ${version}: [^\\n]*\\n$`),
        );
        assert.match(stderr, advice);
      }
    });
  }

  test('the program itself starts in this repository', () => {
    const { status, stdout } = runNode(launcher, '--version');
    assert.equal(status, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });
});
