import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AuditFile } from '../../src/audit/audit-file.ts';
import { ChangeAudit, RefusalAudit } from '../../src/audit/audit-log.ts';
import { countingMs, RefusalCount, type RefusedRequest } from '../../src/audit/refusal-count.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const refusal = (peer: string, reason = 'forbidden', path = '/a'): RefusedRequest => ({
  reason,
  peer,
  isProven: true,
  details: { path },
});

function linesOf(folder: string, name: string): Record<string, unknown>[] {
  return readFileSync(join(folder, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('a file that is full becomes .1, and the oldest goes: no more than its bound is ever kept', (t) => {
  const folder = temporaryFolder(t);
  const file = new AuditFile(join(folder, 'a.ndjson'), { fileBytes: 1000, oldFiles: 2 });
  for (let n = 0; n < 200; n++) {
    file.append({ n, text: 'x'.repeat(50) });
    const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
    assert.ok(sizes.every((size) => size <= 1000) && sizes.length <= 3);
  }
  assert.deepEqual(readdirSync(folder).sort(), ['a.ndjson', 'a.ndjson.1', 'a.ndjson.2']);
  const kept = ['a.ndjson.2', 'a.ndjson.1', 'a.ndjson'].flatMap((name) =>
    linesOf(folder, name).map(({ n }) => n),
  );
  assert.deepEqual(
    kept,
    kept.map((_, index) => 200 - kept.length + index),
  );
  if (process.platform !== 'win32') assert.equal(statSync(join(folder, 'a.ndjson.1')).mode & 0o777, 0o600);
});

test('nobody can forge a line, whatever a name holds', (t) => {
  const folder = temporaryFolder(t);
  const file = new AuditFile(join(folder, 'a.ndjson'));
  file.append({ device: 'a\n{"event":"device-added"}', other: '\u2028\u202e' });
  assert.equal(linesOf(folder, 'a.ndjson').length, 1);
  assert.match(readFileSync(join(folder, 'a.ndjson'), 'utf8'), /^[\x20-\x7e]+\n$/);
});

test('the first refusal of a peer is told, those after it are counted', () => {
  const count = new RefusalCount();
  assert.deepEqual(count.add(refusal('a')), refusal('a'));
  for (let n = 0; n < 9; n++) assert.equal(count.add(refusal('a', 'forbidden', `/${n}`)), undefined);
  assert.deepEqual(count.add(refusal('a', 'unauthorized')), refusal('a', 'unauthorized'));
  assert.deepEqual(count.add(refusal('b')), refusal('b'));
  assert.deepEqual(count.takeCounted(), [{ ...refusal('a', 'forbidden', '/8'), repeated: 9 }]);
  assert.deepEqual(count.takeCounted(), []);
  assert.deepEqual(count.add(refusal('a')), refusal('a'), 'a new minute tells it again');
});

test('peers beyond the bound are counted together', () => {
  const count = new RefusalCount();
  const told = Array.from({ length: 10_000 }, (_, n) => count.add(refusal(`10.0.${n >> 8}.${n & 255}`)));
  assert.equal(told.filter((line) => line !== undefined).length, 200);
  assert.deepEqual(count.takeCounted(), [
    { reason: 'several', peer: 'others', isProven: true, details: {}, repeated: 9800 },
  ]);
});

test('a flood of refusals leaves a few lines, and the changes in their own file', (t) => {
  const folder = temporaryFolder(t);
  const timers: [number, () => void][] = [];
  const refusals = new RefusalAudit({
    dataFolder: folder,
    clock: () => 0,
    after: (delayMs, action) => {
      timers.push([delayMs, action]);
      return () => {};
    },
    onError: assert.fail,
  });
  const changes = new ChangeAudit(folder, () => 0, assert.fail);
  changes.add({ event: 'device-added', how: 'test', device: 'a' });
  for (let n = 0; n < 100_000; n++) refusals.add(refusal('192.0.2.1'));
  assert.deepEqual(
    timers.map(([delayMs]) => delayMs),
    [countingMs],
  );
  timers[0]?.[1]();
  refusals.add(refusal('192.0.2.1'));
  refusals.add(refusal('192.0.2.1'));
  refusals.close();
  refusals.add(refusal('192.0.2.2'));
  assert.deepEqual(
    linesOf(folder, 'audit-refusals.ndjson').map(({ peer, repeated }) => [peer, repeated]),
    [
      ['192.0.2.1', undefined],
      ['192.0.2.1', 99_999],
      ['192.0.2.1', undefined],
      ['192.0.2.1', 1],
    ],
  );
  const [line] = linesOf(folder, 'audit-changes.ndjson');
  assert.equal(line?.['at'], '1970-01-01T00:00:00.000Z');
  assert.equal(typeof line?.['by'], 'string');
});

test('an audit that cannot be written is told, and what was done is done', (t) => {
  const told: string[] = [];
  const nowhere = join(temporaryFolder(t), 'none');
  new ChangeAudit(
    nowhere,
    () => 0,
    (text) => told.push(text),
  ).add({ event: 'device-removed', how: 'test' });
  const refusals = new RefusalAudit({
    dataFolder: nowhere,
    clock: () => 0,
    after: () => () => {},
    onError: (text) => told.push(text),
  });
  refusals.add(refusal('a'));
  assert.equal(told.length, 2);
  assert.match(told[0] ?? '', /the change was not noted in .*audit-changes\.ndjson/);
  assert.match(told[1] ?? '', /a refusal was not noted in .*audit-refusals\.ndjson/);
  assert.equal(existsSync(nowhere), false);
});
