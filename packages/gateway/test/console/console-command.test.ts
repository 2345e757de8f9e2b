/** `coapsule console`: users with passwords that are on no command line, and links, beside a gateway that runs. */
import assert from 'node:assert/strict';
import { chmodSync, closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { linkWithheld } from '../../src/cli/console-link-notice.ts';
import type { UsersView } from '../../src/console/api-types.ts';
import { runLive as run } from '../cli/live-environment.ts';
import { CoapsuleProcess } from '../server/gateway-process.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { browser, startTestConsole } from './console-fixture.ts';

test('a user is added, logs in, gets another password, and is removed, while the gateway runs', async (t) => {
  const { folder, ask, base, admin } = await startTestConsole(t);
  const data = ['--data', folder];
  const login = (word: string) => ask('POST', '/api/session/password', { name: 'alice', password: word });
  const added = await run(['console', 'user', 'add', 'alice', '--role', 'operate', ...data], {
    input: 'correct horse battery\n',
  });
  assert.deepEqual([added.exitCode, added.stdout], [0, ''], added.stderr);
  assert.match(added.stderr, /^added alice with the role operate$/m);
  const alice = await browser(base, await login('correct horse battery'));
  assert.equal(alice.session.role, 'operate');
  const again = await run(['console', 'user', 'add', 'alice', ...data], { input: 'another password' });
  assert.deepEqual([again.exitCode, /already/.test(again.stderr)], [1, true]);

  const listed = await run(['console', 'user', 'list', '--json', ...data]);
  const [user] = JSON.parse(listed.stdout) as readonly Record<string, string>[];
  assert.deepEqual([user?.['name'], user?.['role']], ['alice', 'operate']);
  const { users } = await (await admin()).json<UsersView>('GET', '/api/users');
  assert.deepEqual(
    users.map(({ name, sessions }) => [name, sessions]),
    [['alice', 1]],
  );

  const file = join(temporaryFolder(t), 'password');
  writeFileSync(file, 'staple of the horse\n', { mode: 0o600 });
  const changed = await run(['console', 'user', 'passwd', 'alice', '--password-file', file, ...data]);
  assert.equal(changed.exitCode, 0, changed.stderr);
  assert.equal((await alice.ask('GET', '/api/session')).status, 401);
  assert.equal((await login('correct horse battery')).status, 401);
  const anew = await browser(base, await login('staple of the horse'));
  const removed = await run(['console', 'user', 'remove', 'alice', ...data]);
  assert.equal(removed.exitCode, 0, removed.stderr);
  assert.equal((await anew.ask('GET', '/api/session')).status, 401);
  const missing = await run(['console', 'user', 'remove', 'alice', ...data]);
  assert.deepEqual([missing.exitCode, /there is no user alice/.test(missing.stderr)], [1, true]);

  const database = readFileSync(join(folder, 'coapsule.db')).toString('latin1');
  assert.ok(!/battery|staple/.test(database), 'no password is in the store');
  const audit = readFileSync(join(folder, 'audit-changes.ndjson'), 'utf8');
  for (const event of ['console-user-added', 'console-password-changed', 'console-user-removed'])
    assert.match(audit, new RegExp(`"event":"${event}".*"user":"alice"`));
  assert.ok(!/battery|staple/.test(audit));
});

test('passwords that are too short, names that are none, and passwords on the command line are refused', async (t) => {
  const data = ['--data', temporaryFolder(t)];
  const short = await run(['console', 'user', 'add', 'bob', ...data], { input: 'short' });
  assert.deepEqual([short.exitCode, /less than 10 characters/.test(short.stderr)], [64, true]);
  const name = await run(['console', 'user', 'add', '<b>', ...data], { input: 'long enough for all' });
  assert.equal(name.exitCode, 64);
  const onLine = await run(['console', 'user', 'add', 'bob', 'my password', ...data]);
  assert.equal(onLine.exitCode, 64);
  const link = await run(['console', 'link', ...data]);
  assert.match(link.stderr, /no gateway has opened a console/);
});

test('the log for programs has no link, and says in a field of its own what makes one', async (t) => {
  const folder = temporaryFolder(t);
  const serve = new CoapsuleProcess(t, [
    ...['serve', '--data', folder, '--coap', '0', '--coaps', '0', '--http', '0', '--log-format', 'json'],
  ]);
  const [, ready = ''] = await serve.waitFor('stdout', /^ready (.*)$/m);
  const [line = ''] = await serve.waitFor('stderr', /^.*the console is at.*$/m);
  const { msg, next, endpoint } = JSON.parse(line) as Record<string, string>;
  assert.deepEqual([next, endpoint], ['coapsule console link', 'http']);
  const { http } = JSON.parse(ready) as { http: string };
  assert.match(msg ?? '', new RegExp(`is at http://${http}/console/; no link .*logs for programs are kept`));
  const { exitCode, stdout } = await run((next ?? '').split(' ').slice(1).concat('--data', folder));
  assert.equal(exitCode, 0);
  const token = stdout.trim().split('#')[1] ?? assert.fail('there is no link');
  assert.ok(!(serve.stderr + serve.stdout).includes('login#') && !serve.stderr.includes(token));
});

test('the link of the start is told in a file of the owner alone, not in the journal or where others read', (t) => {
  const path = join(temporaryFolder(t), 'log');
  const descriptor = openSync(path, 'w', 0o600);
  t.after(() => closeSync(descriptor));
  const { dev, ino } = statSync(path);
  const reader = { logFormat: 'text', descriptor, journalStream: undefined } as const;
  assert.equal(linkWithheld(reader), undefined);
  assert.equal(linkWithheld({ ...reader, journalStream: '1:2' }), undefined, 'it was led elsewhere');
  assert.match(linkWithheld({ ...reader, journalStream: `${dev}:${ino}` }) ?? '', /journal/);
  assert.match(linkWithheld({ ...reader, logFormat: 'json' }) ?? '', /programs/);
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(path, mode);
    assert.match(linkWithheld(reader) ?? '', /others may read/, mode.toString(8));
  }
});

test('serve tells a link on standard error that logs in, and "console link" makes another', async (t) => {
  const folder = temporaryFolder(t);
  const serve = new CoapsuleProcess(t, [
    'serve',
    '--data',
    folder,
    '--coap',
    '0',
    '--coaps',
    '0',
    '--http',
    '0',
  ]);
  const [, ready = ''] = await serve.waitFor('stdout', /^ready (.*)$/m);
  const { http } = JSON.parse(ready) as { http: string };
  const [, link = ''] = await serve.waitFor('stderr', /^console: (\S+) \(logs in once/m);
  assert.ok(link.startsWith(`http://${http}/console/login#`), link);
  const login = (token: string) =>
    fetch(`http://${http}/api/session/link`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    });
  await browser(`http://${http}`, await login(link.split('#')[1] ?? ''));
  const { exitCode, stdout, stderr } = await run(['console', 'link', '--data', folder]);
  assert.equal(exitCode, 0, stderr);
  assert.ok(stdout.startsWith(`http://${http}/console/login#`), stdout);
  await browser(`http://${http}`, await login(stdout.trim().split('#')[1] ?? ''));
});
