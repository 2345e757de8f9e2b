import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { newMasterKey } from '../../src/vault/master-key.ts';
import { commandLine } from '../interop/programs.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { type Run, run } from './recorded-environment.ts';

/** A folder for files, a data folder in it, and a way to run commands on that. */
function workplace(t: TestContext) {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  const data = ['--data', at('data')];
  const newKey = (name: string): string => {
    writeFileSync(at(name), newMasterKey().text, { mode: 0o600 });
    return at(name);
  };
  const succeed = async (args: readonly string[], variables: Record<string, string> = {}): Promise<Run> => {
    const result = await run(args, { variables });
    assert.equal(result.exitCode, 0, result.stderr);
    return result;
  };
  const shownKey = async (...more: string[]): Promise<string> =>
    JSON.parse((await succeed(['device', 'show', 'a', '--reveal', '--json', ...data, ...more])).stdout).psk;
  return { at, data, newKey, succeed, shownKey };
}

const psk = '0x00112233445566778899aabbccddeeff';

test('a master key is made for its owner only, never in the place of another, and is not shown', async (t) => {
  const { at } = workplace(t);
  const made = await run(['keys', 'master', at('key')]);
  assert.equal(made.exitCode, 0, made.stderr);
  assert.match(readFileSync(at('key'), 'latin1'), /^[0-9a-f]{64}\n$/);
  if (process.platform !== 'win32') assert.equal(statSync(at('key')).mode & 0o777, 0o600);
  assert.ok(!`${made.stdout}${made.stderr}`.includes(readFileSync(at('key'), 'latin1').trim()));
  const again = await run(['keys', 'master', at('key')]);
  assert.equal(again.exitCode, 1);
  assert.match(again.stderr, /is there already; nothing was written/);
});

test('coapsule device opens the store with the key of the option, the variable, or the credential of the service manager', async (t) => {
  const { at, data, newKey, succeed } = workplace(t);
  const key = newKey('key');
  await succeed(['device', 'add', 'a', '--psk', psk, ...data, '--master-key', key]);
  assert.equal(existsSync(at('data/master.key')), false);
  const show = ['device', 'show', 'a', '--reveal', ...data];
  writeFileSync(at('coapsule-master-key'), readFileSync(key), { mode: 0o600 });
  for (const [more, variables] of [
    [['--master-key', key], {}],
    [[], { COAPSULE_MASTER_KEY: key }],
    [[], { CREDENTIALS_DIRECTORY: at('.') }],
    [['--master-key', key], { COAPSULE_MASTER_KEY: at('no such file') }],
  ] as const) {
    assert.match((await succeed([...show, ...more], variables)).stdout, new RegExp(psk));
  }
  const without = await run(show);
  assert.equal(without.exitCode, 1);
  assert.match(without.stderr, /sealed, and their master key \(\w{12}\) is not in/);
  assert.match(without.stderr, /--master-key or COAPSULE_MASTER_KEY/);
  const wrong = await run([...show, '--master-key', newKey('wrong')]);
  assert.equal(wrong.exitCode, 1);
  assert.match(wrong.stderr, /is not the master key of this store/);
});

test('a store gets another master key, from beside the data and back there, and the audit says so without keys', async (t) => {
  const { at, data, newKey, succeed, shownKey } = workplace(t);
  await succeed(['device', 'add', 'a', '--psk', psk, ...data]);
  const [beside, key] = [readFileSync(at('data/master.key'), 'latin1').trim(), newKey('key')];
  const moved = await succeed(['store', 'rekey', ...data, '--new-master-key', key]);
  assert.match(moved.stderr, /^1 secrets are sealed anew; the master key is \w{12} in .*key now\n/m);
  assert.equal(await shownKey('--master-key', key), psk);
  assert.equal(
    (await run(['device', 'list', ...data])).exitCode,
    1,
    'the key beside the data opens nothing now',
  );
  const same = await run(['store', 'rekey', ...data, '--master-key', key, '--new-master-key', key]);
  assert.equal(same.exitCode, 1);
  assert.match(same.stderr, /is the one that the store has/);
  await succeed(['store', 'rekey', ...data, '--master-key', key]);
  assert.equal(await shownKey(), psk);
  assert.notEqual(readFileSync(at('data/master.key'), 'latin1').trim(), beside);
  const audit = readFileSync(at('data/audit-changes.ndjson'), 'utf8');
  assert.equal(audit.match(/"event":"store-rekeyed"/g)?.length, 2);
  for (const secret of [beside, readFileSync(key, 'latin1').trim(), psk.slice(2)])
    assert.ok(!audit.includes(secret));
});

test('a key beside the data that another one replaces stays under its name: a backup from before is restored with it', async (t) => {
  const { at, data, succeed } = workplace(t);
  await succeed(['device', 'add', 'a', '--psk', psk, ...data]);
  const key = readFileSync(at('data/master.key'), 'latin1');
  await succeed(['backup', at('backup.db'), ...data]);
  const { stderr } = await succeed(['store', 'rekey', ...data]);
  assert.notEqual(readFileSync(at('data/master.key'), 'latin1'), key);
  const [, former = ''] = /which is in (\S+master\.key\.\w{12}) now/.exec(stderr) ?? [];
  assert.equal(readFileSync(former, 'latin1'), key);
  if (process.platform !== 'win32') assert.equal(statSync(former).mode & 0o777, 0o600);
  await succeed(['restore', at('backup.db'), '--data', at('restored'), '--master-key', former]);
});

test('a master key that comes through a pipe opens all that a command opens', {
  skip: process.platform === 'win32' && 'no /dev/stdin',
}, async (t) => {
  const { at, data, succeed } = workplace(t);
  await succeed(['device', 'add', 'a', '--psk', psk, ...data]);
  await succeed(['backup', at('backup.db'), ...data]);
  const command = [
    process.execPath,
    '--conditions=@coapsule/source',
    commandLine,
    'restore',
    at('backup.db'),
  ];
  const more = ['--data', at('restored'), '--master-key', '/dev/stdin'];
  const script = 'key=$1; shift; cat "$key" | "$@"';
  const run = ['-c', script, 'sh', at('data/master.key'), ...command, ...more];
  execFileSync('sh', run, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 });
  assert.ok(existsSync(at('restored/coapsule.db')));
});

test('an overlap is for credentials without state, needs a time, and is refused otherwise', async (t) => {
  const { at, data, succeed } = workplace(t);
  await succeed(['device', 'add', 'a', '--psk', psk, ...data]);
  const refused = async (message: RegExp, ...args: string[]): Promise<void> => {
    const result = await run(['device', 'rotate', 'a', ...args, ...data]);
    assert.equal(result.exitCode, 64, result.stderr);
    assert.match(result.stderr, message);
  };
  await refused(/there is none/, '--until-used');
  await refused(/with its unit, such as 90s/, '--overlap', '7');
  await refused(/1s to 366d/, '--overlap', '400d');
  const oscore = ['--oscore', 'generate', '--oscore-file', at('a.oscore')];
  await refused(/an OSCORE context has one state/, '--overlap', '1d', ...oscore);
  assert.equal(existsSync(at('a.oscore')), false);
  await succeed(['device', 'rotate', 'a', ...oscore, ...data]);
  await refused(/an OSCORE context has one state/, '--overlap', '1d');
});

test('an OSCORE context begins once in a store: not for a second device, in a rotation, or after its device was removed', async (t) => {
  const { at, data, succeed } = workplace(t);
  await succeed(['keys', 'oscore', 'a', '--out', at('a')]);
  const [file, copy] = [at('a.server.oscore'), at('copy.oscore')];
  writeFileSync(copy, readFileSync(file), { mode: 0o600 });
  await succeed(['device', 'add', 'a', '--oscore', file, ...data]);
  const refused = async (message: RegExp, ...args: string[]): Promise<void> => {
    const result = await run(['device', ...args, ...data]);
    assert.equal(result.exitCode, 7, result.stderr);
    assert.match(result.stderr, message);
  };
  await refused(/the device a has this OSCORE context/, 'add', 'b', '--oscore', copy);
  await refused(/the device a has this OSCORE context/, 'rotate', 'a', '--oscore', copy);
  await refused(/has been in use: its numbers are elsewhere/, 'rotate', 'a', '--oscore', file);
  await succeed(['device', 'remove', 'a', ...data]);
  await refused(/has been in use: its numbers are elsewhere/, 'add', 'a', '--oscore', file);
});

test('device show and list tell what counts besides, and the old key only when asked', async (t) => {
  const { data, succeed } = workplace(t);
  await succeed(['device', 'add', 'a', '--psk', psk, ...data]);
  const rotated = await succeed(['device', 'rotate', 'a', '--overlap', '12h', '--until-used', ...data]);
  assert.match(
    rotated.stderr,
    /^a has a new key; the old one counts until \S+Z, or until the new one is used$/m,
  );
  const hidden = await succeed(['device', 'show', 'a', ...data]);
  assert.match(hidden.stdout, /^before {3}psk, version 1, until \S+Z, or until the new one is used$/m);
  assert.ok(!hidden.stdout.includes(psk));
  assert.ok((await succeed(['device', 'show', 'a', '--reveal', ...data])).stdout.includes(psk));
  assert.match((await succeed(['device', 'list', ...data])).stdout, /; psk before until \S+ or first use\n/);
  const retired = await succeed(['device', 'retire', 'a', ...data]);
  assert.match(retired.stderr, /what a had before does not count any more/);
  assert.match((await succeed(['device', 'retire', 'a', ...data])).stderr, /there was nothing to end/);
  assert.doesNotMatch((await succeed(['device', 'show', 'a', ...data])).stdout, /before/);
});

test('a backup is made, says which master key it needs, and is restored with it; the audit notes both', async (t) => {
  const { at, data, newKey, succeed } = workplace(t);
  const key = ['--master-key', newKey('key')];
  await succeed(['device', 'add', 'a', '--psk', psk, ...data, ...key]);
  const made = await succeed(['backup', at('backup.db'), ...data]);
  assert.match(made.stderr, /backup\.db has 1 devices and 0 readings of \d{4}-/);
  assert.match(made.stderr, /to restore it the master key \w{12} is needed as well/);
  const again = await run(['backup', at('backup.db'), ...data]);
  assert.deepEqual([again.exitCode, /is there already/.test(again.stderr)], [1, true]);
  const without = await run(['restore', at('backup.db'), '--data', at('restored')]);
  assert.equal(without.exitCode, 1);
  assert.match(without.stderr, /their master key \(\w{12}\) is not in/);
  const restored = await succeed(['restore', at('backup.db'), '--data', at('restored'), ...key]);
  assert.match(restored.stderr, /has 1 devices and 0 readings, as they were on \d{4}-/);
  assert.match(restored.stderr, /rotated, removed or denied since then are as they were before/);
  const shown = await succeed(['device', 'show', 'a', '--reveal', '--data', at('restored'), ...key]);
  assert.ok(shown.stdout.includes(psk));
  assert.match(readFileSync(at('data/audit-changes.ndjson'), 'utf8'), /"event":"store-backed-up"/);
  assert.match(readFileSync(at('restored/audit-changes.ndjson'), 'utf8'), /"event":"store-restored"/);
  const over = await run(['restore', at('backup.db'), ...data, ...key]);
  assert.deepEqual([over.exitCode, /is not empty/.test(over.stderr)], [1, true]);
});
