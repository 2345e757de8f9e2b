/** The console behind a reverse-proxy: its users are told apart where the proxy is trusted, and nobody can say that they are another. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { password, startTestConsole } from './console-fixture.ts';

const http = { address: { host: '127.0.0.1', port: 0 }, tokens: [], tls: undefined } as const;
const trustedProxies = [{ address: '127.0.0.1', prefix: 32 }];

test('behind a trusted proxy each user has a throttle of their own, and lines of the audit log have the address of the user', async (t) => {
  const started = await startTestConsole(t, { http: { ...http, trustedProxies }, steadyClock: () => 0 });
  await started.as('view');
  const attempt = async (from: string, name: string, word: string): Promise<number> =>
    (
      await started.ask(
        'POST',
        '/api/session/password',
        { name, password: word },
        { 'x-forwarded-for': from },
      )
    ).status;
  for (let count = 0; count < 5; count++)
    assert.equal(await attempt('192.0.2.1', `user ${count}`, 'no'), 401);
  assert.equal(await attempt('192.0.2.1', 'view', password), 429);
  assert.equal(await attempt('198.51.100.9, 192.0.2.1', 'view', password), 429, 'who says to be another');
  assert.equal(await attempt('192.0.2.2', 'view', password), 200);
  for (let count = 0; count < 5; count++)
    assert.equal(await attempt(`2001:db8::${count}`, `other ${count}`, 'no'), 401);
  assert.equal(await attempt('[2001:db8::ffff]:4711', 'view', password), 429, 'a /64 is one');
  const file = (name: string): string => readFileSync(join(started.folder, name), 'utf8');
  assert.match(
    file('audit-console.ndjson'),
    /"event":"console-login","user":"view","role":"view","from":"192\.0\.2\.2"/,
  );
  assert.match(file('audit-strangers.ndjson'), /"reason":"console-login","peer":"192\.0\.2\.1"/);
});

test('where no proxy is trusted nobody gets around the throttle by a header', async (t) => {
  const { ask, as } = await startTestConsole(t, { steadyClock: () => 0 });
  await as('view');
  const attempt = async (count: number): Promise<number> => {
    const headers = { 'x-forwarded-for': `192.0.2.${count}`, forwarded: `for=192.0.2.${count}` };
    return (await ask('POST', '/api/session/password', { name: `user ${count}`, password: 'no' }, headers))
      .status;
  };
  for (let count = 0; count < 5; count++) assert.equal(await attempt(count), 401);
  assert.equal(await attempt(5), 429);
});

test('TLS of a trusted proxy makes the cookie Secure; what a stranger says of it does not', async (t) => {
  for (const [options, cookie] of [
    [{ ...http, trustedProxies }, /^__Host-coapsule_session_\d+=[^;]+;.*; Secure;/],
    [http, /^coapsule_session_\d+=(?!.*Secure)/],
  ] as const) {
    const { ask, gateway } = await startTestConsole(t, { http: options });
    const token = gateway.consoleLink?.split('#')[1];
    const headers = { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' };
    const answer = await ask('POST', '/api/session/link', { token }, headers);
    const given = answer.headers.getSetCookie()[0] ?? '';
    assert.match(given, cookie);
    const kept = { ...headers, cookie: given.split(';')[0] ?? '' };
    assert.equal((await ask('GET', '/api/session', undefined, kept)).status, 200);
  }
});
