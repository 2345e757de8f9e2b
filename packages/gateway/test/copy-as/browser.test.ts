/** Filters and copies are for browsers too: nothing of Node, and of the library the formats alone. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readImports } from '../../../coapsule/test/import-statements.ts';

for (const name of ['filter', 'copy-as']) {
  test(`${name}/ imports its own files and coapsule/message, and nothing else`, () => {
    const folder = join(import.meta.dirname, '../../src', name);
    const imported = readdirSync(folder).flatMap((file) =>
      readImports(readFileSync(join(folder, file), 'utf8')),
    );
    assert.ok(imported.length > 5);
    const foreign = imported.filter(
      ({ specifier }) => specifier === undefined || !/^\.\/[^/]+$|^coapsule\/message$/.test(specifier),
    );
    assert.deepEqual(foreign, []);
  });
}
