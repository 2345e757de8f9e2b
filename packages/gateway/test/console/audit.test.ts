/** The audit log of the console: who did what, from where, and that nobody without a login pushes any of it out. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { routeTable } from '../../src/console/route-table.ts';
import { password, startTestConsole } from './console-fixture.ts';

const http = {
  ...{ address: { host: '127.0.0.1', port: 0 }, tokens: [], tls: undefined },
  trustedProxies: [{ address: '127.0.0.1', prefix: 32 }],
} as const;

type Line = Readonly<Record<string, unknown>>;

function lines(folder: string, name: string): readonly Line[] {
  const path = join(folder, `audit-${name}.ndjson`);
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

test('each line says who it was, and from which address the request came, whatever the session began with', async (t) => {
  const { as, folder } = await startTestConsole(t, { http });
  const user = await as('admin');
  const from = (address: string): RequestInit => ({ headers: { 'x-forwarded-for': address } });
  await user.ask('POST', '/api/devices', { id: 'pump', credential: { kind: 'psk' } }, from('192.0.2.1'));
  await user.ask('PUT', '/api/devices/pump/rules', { rules: ['GET:/a'] }, from('192.0.2.2'));
  await user.ask('DELETE', '/api/devices/pump', undefined, from('2001:db8::1:2:3:4'));
  await user.ask(
    'POST',
    '/api/explorer/ping',
    { uri: 'coap://127.0.0.1:9', timeoutSeconds: 1 },
    from('192.0.2.3'),
  );
  await user.ask('DELETE', '/api/session', undefined, from('192.0.2.4'));
  const told = (name: string): readonly string[] =>
    lines(folder, name)
      .filter(({ user: who }) => who !== undefined)
      .map(({ event, user: who, from: where }) => `${event} ${who} ${where}`);
  assert.deepEqual(told('changes'), [
    'device-added admin 192.0.2.1',
    'device-allowed admin 192.0.2.2',
    'device-removed admin 2001:db8:0:0::/64',
  ]);
  assert.deepEqual(told('console'), [
    'console-login admin 127.0.0.1',
    'request-sent admin 192.0.2.3',
    'console-logout admin 192.0.2.4',
  ]);
});

test('a thousand addresses that log in with wrong links and names, and ask all else without a login, push no line of others out', async (t) => {
  const { ask, as, folder } = await startTestConsole(t, { http });
  await as('view');
  const before = [lines(folder, 'changes'), lines(folder, 'console')];
  for (let count = 0; count < 1000; count++) {
    const headers = { 'x-forwarded-for': `198.51.${count >> 8}.${count & 255}` };
    const answer = await ask('POST', '/api/session/link', { token: `${count}`.padStart(43, 'x') }, headers);
    assert.equal(answer.status, 401);
    await answer.arrayBuffer();
  }
  const name = 'n'.repeat(100);
  await ask('POST', '/api/session/password', { name, password }, { 'x-forwarded-for': '203.0.113.1' });
  for (const { method, path } of routeTable)
    await (await ask(method, path.replaceAll(/\{\w+\}/g, 'x'))).arrayBuffer();
  assert.deepEqual([lines(folder, 'changes'), lines(folder, 'console')], before);
  const told = lines(folder, 'strangers');
  assert.ok(told.length >= 60 && told.length <= 71, `${told.length} lines: those of one minute, or of two`);
});
