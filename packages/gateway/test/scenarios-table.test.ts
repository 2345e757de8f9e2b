/** docs/scenarios.md: every test that it names is there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('../../../', import.meta.url);
const rows = readFileSync(new URL('docs/scenarios.md', root), 'utf8')
  .split('\n')
  .filter((line) => /^\| [A-Z]\d\d \|/.test(line))
  .map((line) => {
    const [id = '', what = '', shownBy = ''] = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
    return { id, what, shownBy };
  });

test('the table of scenarios has its rows, each once', () => {
  const ids = rows.map(({ id }) => id);
  assert.ok(ids.length >= 50, `${ids.length} rows`);
  assert.deepEqual(ids, [...new Set(ids)]);
});

for (const { id, what, shownBy } of rows) {
  test(`${id}: ${what}: the tests are there`, () => {
    const named = [...shownBy.matchAll(/([CG])\/(\S+\.test\.ts): `([^`]+)`/g)];
    const rest = named.reduce((text, [whole]) => text.replace(whole, ''), shownBy);
    assert.match(rest, /^[, ]*$/, 'everything that stands there is a file with a test');
    assert.ok(named.length > 0);
    for (const [, letter, file, name] of named) {
      const folder = letter === 'C' ? 'packages/coapsule/test/' : 'packages/gateway/test/';
      const text = readFileSync(new URL(folder + file, root), 'utf8');
      // The name of a test, or of a group of them, or a part of one in which there is no variable.
      const names = [
        ...text.matchAll(/(?:test|peerTest|redisTest|describe|suite)\(\s*(['`])(.*?)\1,\s/gs),
      ].map(([, , found]) => found);
      assert.ok(
        names.some((found) => found?.includes(name as string)),
        `${file} has no test named ${name}`,
      );
    }
  });
}
