/**
 * What the documents claim: every TypeScript block of the READMEs runs as it stands and prints what it says it prints;
 * files and tests that are named exist.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../../..');
const library = join(root, 'packages/coapsule');

/** The `ts` blocks of a Markdown file. A line that ends in `// prints X` promises the output X. */
function examples(file: string): string[] {
  return [...readFileSync(join(root, file), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(
    ([, code = '']) => code,
  );
}

for (const file of ['README.md', 'packages/coapsule/README.md']) {
  const blocks = examples(file);

  test(`${file} has an example in TypeScript`, () => {
    assert.ok(blocks.length > 0);
  });

  for (const [index, code] of blocks.entries()) {
    test(`example ${index + 1} of ${file} runs and prints what it promises`, (t) => {
      const promised = [...code.matchAll(/\/\/ prints (.*)$/gm)].map(([, text]) => text);
      assert.ok(promised.length > 0, 'an example without a promise proves nothing');
      // Inside the package, so that the name `coapsule` means these sources.
      const folder = mkdtempSync(join(library, 'test/packaging/example-'));
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      writeFileSync(join(folder, 'example.ts'), code);
      const args = ['--conditions=@coapsule/source', '--disable-warning=ExperimentalWarning', 'example.ts'];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        cwd: folder,
        encoding: 'utf8',
        timeout: 30_000,
      });
      assert.equal(status, 0, stderr);
      assert.deepEqual(stdout.trimEnd().split('\n'), promised);
    });
  }
}

test('every file that the road of one datagram names exists, and its name means one file', () => {
  const text = readFileSync(join(library, 'README.md'), 'utf8');
  const road = text.slice(text.indexOf('## The road of one datagram'));
  const files = readdirSync(join(library, 'src'), { recursive: true, encoding: 'utf8' }).map(
    (path) => `/${path.split(sep).join('/')}`,
  );
  const named = [...road.matchAll(/`([\w/-]+\.ts)`/g)].map(([, path = '']) => path);
  assert.ok(named.length > 15);
  for (const path of named) {
    assert.equal(files.filter((file) => file.endsWith(`/${path}`)).length, 1, path);
  }
});

test('every file that docs/dtls.md names exists', () => {
  const text = readFileSync(join(root, 'docs/dtls.md'), 'utf8');
  const named = [...text.matchAll(/`((?:\.\.\/)?[\w/-]+(?:\.ts|\/))`/g)].map(([, path = '']) => path);
  assert.ok(named.length > 15);
  for (const path of named) assert.ok(existsSync(join(library, 'src/core/dtls', path)), path);
});

test('every row of docs/past-bugs.md names a test that exists', () => {
  const rows = readFileSync(join(root, 'docs/past-bugs.md'), 'utf8').matchAll(
    /^\|.*\| `(.*\.test\.ts)` \| (.*) \|$/gm,
  );
  let count = 0;
  for (const [, file = '', name = ''] of rows) {
    count += 1;
    const source = readFileSync(join(root, 'packages', file), 'utf8');
    const pattern = name.split('…').map((part) => part.replace(/[.*+?^$()|[\]\\]/g, '\\$&'));
    assert.match(source, new RegExp(`['\`]${pattern.join('\\$\\{.*\\}')}['\`]`), `${file}: ${name}`);
  }
  assert.ok(count > 20, `${count} rows`);
});

test('docs/past-bugs.md has a row for every class of DTLS failures, D1 to D22', () => {
  const text = readFileSync(join(root, 'docs/past-bugs.md'), 'utf8');
  const classes = [...text.matchAll(/^\| D(\d+) \|/gm)].map(([, number]) => Number(number));
  assert.deepEqual(
    [...new Set(classes)],
    Array.from({ length: 22 }, (_, i) => i + 1),
  );
});
