/** Somebody sets the wall clock while people are logged in at the console. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionView } from '../../src/console/api-types.ts';
import { sessionBounds } from '../../src/console/sessions.ts';
import { password, problemOf, startTestConsole } from './console-fixture.ts';

const yearMs = 365 * 86_400_000;

test('a wall clock that is set neither ends nor prolongs a session, and its end is told by the clock as it is set now', async (t) => {
  let wallMs = Date.now();
  let steadyMs = 5000;
  const { as } = await startTestConsole(t, { clock: () => wallMs, steadyClock: () => steadyMs });
  const user = await as('view');
  const ends = async (): Promise<readonly number[]> => {
    const { idleEndsAtMs, endsAtMs } = await user.json<SessionView>('GET', '/api/session');
    return [idleEndsAtMs - wallMs, endsAtMs - wallMs];
  };
  wallMs += yearMs;
  assert.deepEqual(await ends(), [sessionBounds.idleMs, sessionBounds.wholeMs]);
  wallMs -= 2 * yearMs;
  steadyMs += sessionBounds.idleMs - 1;
  assert.deepEqual(await ends(), [sessionBounds.idleMs, sessionBounds.wholeMs - sessionBounds.idleMs + 1]);
  steadyMs += sessionBounds.idleMs;
  assert.equal((await user.ask('GET', '/api/session')).status, 401);
});

test('a wall clock that is set gives nobody more passwords to try, nor locks anybody out', async (t) => {
  let wallMs = Date.now();
  let steadyMs = 0;
  const { ask, as } = await startTestConsole(t, { clock: () => wallMs, steadyClock: () => steadyMs });
  await as('view');
  const attempt = (word: string): Promise<Response> =>
    ask('POST', '/api/session/password', { name: 'view', password: word });
  for (let count = 0; count < 5; count++) assert.equal((await attempt('wrong')).status, 401);
  wallMs += yearMs;
  assert.equal((await problemOf(await attempt(password))).code, 'throttled');
  wallMs -= 2 * yearMs;
  steadyMs += 1000;
  assert.equal((await attempt(password)).status, 200);
});
