/**
 * docs/coap-features.md: each test that it names is there and cites the document it is named for.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('../../../', import.meta.url);
const [table = ''] = readFileSync(new URL('docs/coap-features.md', root), 'utf8').split('\n## ');
const rows = table
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| feature |'))
  .map((line) => {
    const [feature = '', document = '', roles = '', shownBy = ''] = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
    return { feature, document, roles, files: shownBy.split(', ') };
  });

test('the table of features has its rows', () => {
  assert.ok(rows.length > 25, `${rows.length} rows`);
});

for (const { feature, document, roles, files } of rows) {
  test(`${feature} (${document}): the tests are there and cite it`, () => {
    assert.match(roles, /^[csp]( [csp])*$/);
    const texts = files.map((file) => {
      const path = file.replace(/^C\//, 'packages/coapsule/test/').replace(/^G\//, 'packages/gateway/test/');
      assert.ok(path.endsWith('.test.ts'), file);
      return `${path}\n${readFileSync(new URL(path, root), 'utf8')}`;
    });
    for (const [, number] of document.matchAll(/RFC (\d+)/g)) {
      assert.ok(
        texts.some((text) => new RegExp(`rfc ?${number}`, 'i').test(text)),
        `none of ${files.join(', ')} cites RFC ${number}`,
      );
    }
  });
}
