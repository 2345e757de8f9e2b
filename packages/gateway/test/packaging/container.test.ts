/** What goes into an image: nothing that git ignores, and nothing secret. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../../..');

function linesOf(file: string): readonly string[] {
  return readFileSync(join(root, file), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('!'));
}

/** The same pattern in git's words and in those of container builders, where a pattern without a slash is of the root alone. */
function bare(pattern: string): string {
  return pattern.replace(/^(\*\*)?\//, '').replace(/\/$/, '');
}

test('what git ignores, and git itself, is not sent to the builder of an image', () => {
  const ignored = new Set(linesOf('.containerignore').map(bare));
  for (const pattern of [...linesOf('.gitignore'), '.git']) {
    if (pattern === '.DS_Store') continue;
    assert.ok(ignored.has(bare(pattern)), pattern);
  }
  assert.ok(ignored.has('master.key'));
});

test('builders that read .dockerignore leave out the same', () => {
  assert.deepEqual(linesOf('.dockerignore'), linesOf('.containerignore'));
});
