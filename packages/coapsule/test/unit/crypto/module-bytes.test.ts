/**
 * The WebAssembly that is shipped is what the sources make.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

test('the tables of the AES and the bytes of both modules are those that their sources make', () => {
  const program = join(import.meta.dirname, '../../../scripts/build-wasm.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--check'], { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
});
