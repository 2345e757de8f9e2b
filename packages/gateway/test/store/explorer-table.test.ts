/** Credentials of the explorer on the disk: sealed, sealed anew, in backups; and the numbers of OSCORE contexts, which only go on. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { backUp } from '../../src/store/backup.ts';
import { openDatabase } from '../../src/store/database.ts';
import { ExplorerTable } from '../../src/store/explorer-table.ts';
import { restore, restoreJump } from '../../src/store/restore.ts';
import { resealStore } from '../../src/store/sealing.ts';
import { temporaryFolder } from './temporary-folder.ts';

const content = '{"proof":{"kind":"psk","keyHex":"5e9a11c0ffee"}}';
const lab = {
  ...{ name: 'lab', content, facts: '{"about":"identity x"}', target: 'coaps://lab/*' },
  ...{ forOperators: true, addedAtMs: 7 },
};
const digest = new Uint8Array(randomBytes(32));

function folderWithOne(t: TestContext): string {
  const path = join(temporaryFolder(t), 'data');
  const opened = openDatabase(path, { create: true, asGateway: false });
  const table = new ExplorerTable(opened);
  assert.ok(table.add(lab));
  assert.ok(!table.add({ ...lab, content: 'other' }), 'the name is taken');
  assert.ok(table.saveEdges(digest, { senderEdge: 40, recipientEdge: 3 }));
  opened.close();
  return path;
}

function read<T>(path: string, work: (table: ExplorerTable) => T): T {
  const opened = openDatabase(path, { create: false, asGateway: false });
  try {
    return work(new ExplorerTable(opened));
  } finally {
    opened.close();
  }
}

test('a credential is sealed on the disk, told of without its secret, and gone when it is removed; its numbers stay', (t) => {
  const path = folderWithOne(t);
  for (const name of readdirSync(path))
    assert.ok(!readFileSync(join(path, name)).includes('5e9a11c0ffee'), name);
  const { content: _, ...facts } = lab;
  assert.deepEqual(
    read(path, (table) => table.all()),
    [facts],
  );
  assert.deepEqual(
    read(path, (table) => table.find('lab')),
    lab,
  );
  assert.deepEqual(
    read(path, (table) => [table.remove('lab'), table.remove('lab'), table.find('lab'), table.edges(digest)]),
    [true, false, undefined, { senderEdge: 40, recipientEdge: 3 }],
  );
});

test('a credential opens under another master key once all is sealed anew', (t) => {
  const path = folderWithOne(t);
  const opened = openDatabase(path, { create: false, asGateway: false });
  const file = join(path, '..', 'other.key');
  writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 });
  const masterKey = { kind: 'file', path: file, from: '--master-key' } as const;
  resealStore(opened, opened.folder, masterKey);
  opened.close();
  const again = openDatabase(path, { create: false, asGateway: false, masterKey });
  t.after(() => again.close());
  assert.deepEqual(new ExplorerTable(again).find('lab'), lab);
});

test('a restored store has the credential, and its numbers are ahead of all that were used since', async (t) => {
  const path = folderWithOne(t);
  const [file, target] = [join(path, '..', 'backup.db'), join(path, '..', 'restored')];
  await backUp(path, file, 1_700_000_000_000);
  mkdirSync(target, { mode: 0o700 });
  copyFileSync(join(path, 'master.key'), join(target, 'master.key'));
  restore(file, target, { kind: 'beside' }, 1_700_000_010_000);
  assert.deepEqual(
    read(target, (table) => [table.find('lab'), table.edges(digest)]),
    [lab, { senderEdge: 40 + restoreJump.least + 10 * restoreJump.perSecond, recipientEdge: 3 }],
  );
});
