/** The file store of OSCORE state: what is kept, who may have it, and writes that end at any byte. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { OscoreFileError, openOscoreFile } from '../../src/node/oscore-file.ts';

function temporaryFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'oscore-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'context.json');
}

test('a state is there in the next process, with its ID Context', async (t) => {
  const path = temporaryFile(t);
  const first = await openOscoreFile(path);
  assert.equal(await first.load(), undefined);
  const state = { senderEdge: 2 ** 40, recipientEdge: 7, idContext: Uint8Array.of(1, 2, 255) };
  await first.save({ senderEdge: 1, recipientEdge: 0 });
  await first.save(state);
  await first.close();
  const second = await openOscoreFile(path);
  assert.deepEqual(await second.load(), state);
  await second.close();
});

test('a second process is refused while the first one has it, and told which it is', async (t) => {
  const path = temporaryFile(t);
  const first = await openOscoreFile(path);
  await assert.rejects(
    openOscoreFile(path),
    (error: unknown) =>
      error instanceof OscoreFileError &&
      error.code === 'ERR_LOCKED' &&
      error.message.includes(`process ${process.pid}`),
  );
  await first.close();
  await (await openOscoreFile(path)).close();
});

test('the lock of a process that is gone is taken over', async (t) => {
  const path = temporaryFile(t);
  // No system gives out so high a number.
  for (const owner of ['4194399\n', '']) {
    writeFileSync(`${path}.lock`, owner);
    await (await openOscoreFile(path)).close();
  }
});

test('what is no state is refused, not taken for an empty store', async (t) => {
  const path = temporaryFile(t);
  const file = await openOscoreFile(path);
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{"senderEdge":1}',
    '{"senderEdge":-1,"recipientEdge":0}',
    '{"senderEdge":1.5,"recipientEdge":0}',
    '{"senderEdge":1,"recipientEdge":1e15}',
    '{"senderEdge":1,"recipientEdge":0,"idContext":"x"}',
  ]) {
    writeFileSync(path, text);
    await assert.rejects(
      file.load(),
      (error: unknown) => error instanceof OscoreFileError && error.code === 'ERR_DAMAGED',
      text,
    );
  }
  await file.close();
});

test('a write that ends after any byte leaves the old state or the new one', async (t) => {
  const path = temporaryFile(t);
  const file = await openOscoreFile(path);
  const [before, after] = [
    { senderEdge: 100, recipientEdge: 32 },
    { senderEdge: 200, recipientEdge: 64 },
  ];
  await file.save(after);
  const text = readFileSync(path, 'utf8');
  await file.save(before);
  for (let length = 0; length <= text.length; length++) {
    // The process ended in the middle: the part is beside, and never in the place.
    writeFileSync(`${path}.next`, text.slice(0, length));
    assert.deepEqual(await file.load(), before);
    await file.save(after);
    assert.deepEqual(await file.load(), after);
    await file.save(before);
  }
  await file.close();
});

test('a folder that cannot be written rejects, and the old state stays', async (t) => {
  const path = temporaryFile(t);
  const file = await openOscoreFile(path);
  await file.save({ senderEdge: 1, recipientEdge: 1 });
  const gone = await openOscoreFile(join(path, 'below-a-file')).catch(
    (error: NodeJS.ErrnoException) => error.code,
  );
  assert.equal(gone, 'ENOTDIR');
  assert.deepEqual(await file.load(), { senderEdge: 1, recipientEdge: 1 });
  await file.close();
});
