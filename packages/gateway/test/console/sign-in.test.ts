/** Logging in at the console, sessions, and what keeps strangers and other sites out. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SessionView } from '../../src/console/api-types.ts';
import { linkLifetimeMs } from '../../src/console/login-link.ts';
import { routeTable } from '../../src/console/route-table.ts';
import { sessionBounds } from '../../src/console/sessions.ts';
import { browser, eventsOf, password, problemOf, startTestConsole } from './console-fixture.ts';

const now = (): number => Date.now();

test('the link of the start logs in once, as admin, and its session holds until logout', async (t) => {
  const { ask, base, gateway } = await startTestConsole(t);
  const link = gateway.consoleLink ?? assert.fail();
  assert.match(link, new RegExp(`^${base}/console/login#[\\w-]{43}$`));
  const token = link.split('#')[1] ?? '';
  const first = await ask('POST', '/api/session/link', { token });
  const [cookie = ''] = first.headers.getSetCookie();
  assert.match(
    cookie,
    new RegExp(`^coapsule_session_${new URL(base).port}=[\\w-]{43};.*Path=/; HttpOnly; SameSite=Strict$`),
  );
  const admin = await browser(base, first);
  assert.deepEqual([admin.session.role, admin.session.isByLink], ['admin', true]);
  const again = await ask('POST', '/api/session/link', { token });
  assert.deepEqual([again.status, (await problemOf(again)).code], [401, 'login-failed']);
  assert.equal((await admin.json<SessionView>('GET', '/api/session')).csrfToken, admin.session.csrfToken);
  assert.equal((await admin.ask('DELETE', '/api/session')).status, 204);
  assert.equal((await admin.ask('GET', '/api/session')).status, 401);
});

test('a link that is too old, or none, does not log in', async (t) => {
  let atMs = now();
  const { ask, gateway } = await startTestConsole(t, { clock: () => atMs });
  assert.equal((await ask('POST', '/api/session/link', { token: 'x'.repeat(43) })).status, 401);
  atMs += linkLifetimeMs + 1;
  const token = gateway.consoleLink?.split('#')[1] ?? '';
  assert.equal((await ask('POST', '/api/session/link', { token })).status, 401);
});

test('a password logs in, a wrong one and an unknown name say the same, and both are in the audit log by name', async (t) => {
  const { ask, as, folder } = await startTestConsole(t);
  const operator = await as('operate');
  assert.equal(operator.session.role, 'operate');
  const wrong = await ask('POST', '/api/session/password', { name: 'operate', password: 'no' });
  const unknown = await ask('POST', '/api/session/password', { name: 'nobody', password });
  assert.deepEqual([wrong.status, unknown.status], [401, 401]);
  assert.deepEqual(await problemOf(wrong), await problemOf(unknown));
  const file = (name: string): string => readFileSync(join(folder, name), 'utf8');
  assert.match(file('audit-console.ndjson'), /"event":"console-login","user":"operate"/);
  // The first is written at once, those after it are counted.
  assert.match(
    file('audit-strangers.ndjson'),
    /"event":"refused","reason":"console-login","peer":"127.0.0.1","user":"operate"/,
  );
  assert.ok(!(file('audit-console.ndjson') + file('audit-strangers.ndjson')).includes(password));
});

test('who tries passwords has to wait longer each time, even with the right one, and may come again then', async (t) => {
  let atMs = 0;
  const { ask, as } = await startTestConsole(t, { steadyClock: () => atMs });
  await as('view');
  const attempt = (word: string): Promise<Response> =>
    ask('POST', '/api/session/password', { name: 'view', password: word });
  for (let count = 0; count < 5; count++) assert.equal((await attempt('wrong')).status, 401);
  const refused = await attempt(password);
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '1']);
  atMs += 1000;
  assert.equal((await attempt('wrong')).status, 401);
  assert.equal((await attempt(password)).headers.get('retry-after'), '2');
  atMs += 2000;
  assert.equal((await attempt(password)).status, 200);
});

test('passwords that are tried all at once count as those that are tried one after the other', async (t) => {
  const { ask, as } = await startTestConsole(t, { steadyClock: () => 0 });
  await as('view');
  const statuses = await Promise.all(
    Array.from({ length: 18 }, async (_, index) => {
      const answer = await ask('POST', '/api/session/password', { name: 'view', password: `guess ${index}` });
      return answer.status;
    }),
  );
  assert.equal(statuses.filter((status) => status === 401).length, 5);
  assert.equal(statuses.filter((status) => status === 429).length, 13);
});

test('a session is over when nobody uses it, after half a day in any case, and when its user is removed or has another password', async (t) => {
  let atMs = 0;
  const { as, users } = await startTestConsole(t, { steadyClock: () => atMs });
  const idle = await as('view');
  atMs += sessionBounds.idleMs - 1;
  assert.equal((await idle.ask('GET', '/api/session')).status, 200);
  atMs += sessionBounds.idleMs - 1;
  assert.equal((await idle.ask('GET', '/api/session')).status, 200);
  atMs += sessionBounds.idleMs;
  assert.equal((await idle.ask('GET', '/api/session')).status, 401);
  const long = await as('view');
  for (let passed = 0; passed < sessionBounds.wholeMs; passed += sessionBounds.idleMs / 2) {
    assert.equal((await long.ask('GET', '/api/session')).status, 200);
    atMs += sessionBounds.idleMs / 2;
  }
  assert.equal((await long.ask('GET', '/api/session')).status, 401);
  const changed = await as('view');
  users((table) => table.setPassword('view', 'another'));
  assert.equal((await changed.ask('GET', '/api/session')).status, 401);
  const removed = await as('operate');
  const stream = await removed.ask('GET', '/api/live');
  const events = eventsOf(stream);
  assert.equal((await events.next()).value?.event, 'snapshot');
  users((table) => table.remove('operate'));
  assert.equal((await removed.ask('GET', '/api/session')).status, 401);
  assert.equal((await events.next()).done, true, 'its streams end with it');
});

test('a login makes a session of its own, whatever cookie the browser has', async (t) => {
  const { ask, as, base } = await startTestConsole(t);
  const first = await as('view');
  const chosen = `coapsule_session_${new URL(base).port}=chosen-by-somebody-else`;
  const login = (cookie: string): Promise<Response> =>
    ask('POST', '/api/session/password', { name: 'view', password }, { cookie });
  const second = await browser(base, await login(chosen));
  assert.notEqual(second.cookie, chosen);
  assert.equal((await ask('GET', '/api/session', undefined, { cookie: chosen })).status, 401);
  const third = await browser(base, await login(first.cookie));
  assert.notEqual(third.cookie, first.cookie);
  assert.equal((await first.ask('GET', '/api/session')).status, 401, 'what was before is over');
});

test('a user has ten sessions at most: the oldest goes', async (t) => {
  const { as, ask, base } = await startTestConsole(t);
  const first = await as('view');
  for (let count = 0; count < sessionBounds.perUser; count++)
    await browser(base, await ask('POST', '/api/session/password', { name: 'view', password }));
  assert.equal((await first.ask('GET', '/api/session')).status, 401);
});

test('who is nobody gets 401 from every route, whatever the method and body, and learns nothing', async (t) => {
  const { ask } = await startTestConsole(t);
  for (const { method, path, role, body } of routeTable) {
    if (role === 'nobody') continue;
    const answer = await ask(method, path.replaceAll(/\{\w+\}/g, '1'), body === undefined ? undefined : {});
    assert.equal(answer.status, 401, `${method} ${path}`);
    assert.deepEqual(await problemOf(answer), {
      code: 'unauthenticated',
      message: 'nobody is logged in',
      nextStep: 'log in',
    });
  }
});

test('each role may ask what the table says, and nothing above it', async (t) => {
  const { as } = await startTestConsole(t);
  const ranks = ['view', 'operate', 'admin'] as const;
  for (const [rank, role] of ranks.entries()) {
    const user = await as(role);
    for (const route of routeTable) {
      if (route.role === 'nobody' || route.name === 'DELETE /api/session') continue;
      // A body that is none: who may is told so, and nothing happens.
      const body = route.body === undefined ? undefined : 'none';
      const path = route.path.replaceAll(/\{\w+\}/g, 'none');
      const answer = await user.ask(route.method, path, body);
      const { status } = answer;
      await answer.body?.cancel();
      const isAllowed = ranks.indexOf(route.role) <= rank;
      assert.equal(status === 403, !isAllowed, `${role}: ${route.name} is ${status}`);
      assert.ok(status !== 401 && status !== 500, `${role}: ${route.name} is ${status}`);
    }
  }
});

test('a request that changes something needs the token of the session, and comes from the console itself', async (t) => {
  const { admin, base, ask } = await startTestConsole(t);
  const user = await admin();
  const add = (headers: Record<string, string>, id: string) =>
    user.ask('POST', '/api/devices', { id, credential: { kind: 'psk' } }, { headers });
  for (const headers of [
    { 'x-csrf-token': '' },
    { 'x-csrf-token': 'x'.repeat(43) },
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
  ] as Record<string, string>[]) {
    const answer = await add(headers, 'a');
    assert.deepEqual(
      [answer.status, (await problemOf(answer)).code],
      [403, 'cross-site'],
      JSON.stringify(headers),
    );
  }
  const form = await user.ask(
    'POST',
    '/api/devices',
    { id: 'a' },
    { headers: { 'content-type': 'text/plain' } },
  );
  assert.equal(form.status, 400, 'a form of another site cannot say application/json');
  assert.equal(
    (await user.ask('GET', '/api/devices', undefined, { headers: { 'sec-fetch-site': 'cross-site' } }))
      .status,
    403,
  );
  const foreign = await ask('POST', '/api/session/link', { token: 'x' }, { origin: 'https://evil.example' });
  assert.equal(foreign.status, 403, 'another site logs nobody in');
  assert.equal((await add({ 'sec-fetch-site': 'same-origin', origin: base }, 'a')).status, 201);
});

test('a page whose name leads here (DNS rebinding) gets nothing, with a cookie or without', async (t) => {
  const { admin, base } = await startTestConsole(t);
  const { cookie } = await admin();
  const { hostname, port } = new URL(base);
  for (const path of ['/api/session', '/api/devices', '/console/']) {
    const status = await new Promise<number>((resolve, reject) => {
      request({ hostname, port, path, headers: { host: `evil.example:${port}`, cookie } }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .on('error', reject)
        .end();
    });
    assert.equal(status, 421, path);
  }
});

test('of one user eight bodies are read at a time, and others are not kept out by them', async (t) => {
  const { base, as } = await startTestConsole(t);
  const [operator, admin] = [await as('operate'), await as('admin')];
  const begun = Array.from({ length: 8 }, () => {
    const slow = request(`${base}/api/explorer/ping`, {
      method: 'POST',
      headers: {
        ...{ cookie: operator.cookie, 'x-csrf-token': operator.session.csrfToken },
        ...{ 'content-type': 'application/json', 'content-length': 100, expect: '100-continue' },
      },
    });
    slow.on('error', () => {});
    slow.flushHeaders();
    return slow;
  });
  await Promise.all(begun.map((slow) => once(slow, 'continue')));
  // What was told to go on is with its handler by the next turn.
  const ask = (who: typeof operator): Promise<Response> =>
    who.ask('POST', '/api/explorer/ping', { uri: 'nothing' });
  const refused = await ask(operator);
  assert.deepEqual([refused.status, (await problemOf(refused)).code], [503, 'busy']);
  assert.equal((await ask(admin)).status, 400);
  for (const slow of begun) slow.destroy();
  let status = 503;
  while (status === 503) ({ status } = await ask(operator));
  assert.equal(status, 400);
});

test('every answer says what a page may do: own scripts alone, in no frame, and nothing is kept', async (t) => {
  const { ask, admin } = await startTestConsole(t, {
    http: { address: { host: '127.0.0.1', port: 0 }, tokens: [], tls: undefined, cors: ['*'] },
  });
  const user = await admin();
  for (const answer of [
    await ask('GET', '/api/session'),
    await user.ask('GET', '/api/gateway'),
    await ask('GET', '/console/'),
  ]) {
    const policy = answer.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self';/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(answer.headers.get('referrer-policy'), 'no-referrer');
    assert.equal(answer.headers.get('cross-origin-opener-policy'), 'same-origin');
    assert.equal(answer.headers.get('access-control-allow-origin'), null, 'whatever --http-cors says');
  }
  assert.equal((await user.ask('GET', '/api/gateway')).headers.get('cache-control'), 'no-store');
});

test('without a console there are neither pages nor routes of it', async (t) => {
  const { ask, gateway } = await startTestConsole(t, { console: undefined });
  assert.equal(gateway.consoleLink, undefined);
  assert.equal((await ask('GET', '/api/session')).status, 404);
  assert.equal((await ask('GET', '/console/')).status, 404);
});
