import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StoreFault } from '../../src/store/store-fault.ts';
import { masterKeySource, newMasterKey, readMasterKey, writeMasterKey } from '../../src/vault/master-key.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';

const key = Uint8Array.from({ length: 32 }, (_, i) => 200 + i);

test('a master key is read as 32 bytes, as hexadecimal digits and as base64', (t) => {
  const path = join(temporaryFolder(t), 'key');
  const hex = Buffer.from(key).toString('hex');
  const base64 = Buffer.from(key).toString('base64');
  for (const content of [key, hex, `${hex}\n`, hex.toUpperCase(), base64, `${base64}\n`]) {
    writeFileSync(path, content, { mode: 0o600 });
    assert.deepEqual(readMasterKey(path, 'test'), { key, warning: undefined });
  }
});

test('what is no master key is refused with what one is, and without its content', (t) => {
  const path = join(temporaryFolder(t), 'key');
  for (const content of ['', 'a passphrase', 'ab'.repeat(31), `${'ab'.repeat(32)} x`, 'x'.repeat(5000)]) {
    writeFileSync(path, content, { mode: 0o600 });
    assert.throws(
      () => readMasterKey(path, '--master-key'),
      (fault: StoreFault) =>
        fault.code === 'master-key' &&
        fault.message.includes(path) &&
        fault.nextStep.includes('coapsule keys master') &&
        (content === '' || !fault.message.includes(content)),
    );
  }
  assert.throws(
    () => readMasterKey(`${path}-missing`, '--master-key'),
    (fault: StoreFault) => fault.code === 'master-key' && fault.message.includes('ENOENT'),
  );
});

test('a master key that others can read is warned about', {
  skip: process.platform === 'win32' && 'access rights are kept differently on Windows',
}, (t) => {
  const path = join(temporaryFolder(t), 'key');
  writeFileSync(path, key);
  chmodSync(path, 0o640);
  assert.match(readMasterKey(path, 'test').warning ?? '', /chmod 600/);
});

test('a master key that is made is for its owner only and reads back', (t) => {
  const path = join(temporaryFolder(t), 'key');
  const made = newMasterKey();
  writeMasterKey(path, made.text);
  assert.deepEqual(Buffer.from(readMasterKey(path, 'test').key), Buffer.from(made.key));
  if (process.platform !== 'win32') assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.notEqual(newMasterKey().text, made.text);
  assert.match(readFileSync(path, 'latin1'), /^[0-9a-f]{64}\n$/);
});

test('the option counts before the credential of the service manager, that before the file beside the data', (t) => {
  const folder = temporaryFolder(t);
  const variables = { CREDENTIALS_DIRECTORY: folder };
  assert.deepEqual(masterKeySource(undefined, {}), { kind: 'beside' });
  assert.deepEqual(masterKeySource(undefined, variables), { kind: 'beside' }, 'a credential of another kind');
  mkdirSync(folder, { recursive: true });
  const credential = join(folder, 'coapsule-master-key');
  writeFileSync(credential, key);
  const found = masterKeySource(undefined, variables);
  assert.equal(found.kind === 'file' && found.path, credential);
  const named = masterKeySource('/etc/key', variables);
  assert.equal(named.kind === 'file' && named.path, '/etc/key');
});
