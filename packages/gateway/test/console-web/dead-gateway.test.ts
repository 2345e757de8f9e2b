/** The gateway's process is killed and started anew while pages are open: they say so, go on by themselves, and lose and double nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'coapsule';
import { hashedPassword } from '../../src/console/password.ts';
import { ConsoleTable } from '../../src/store/console-table.ts';
import { openDatabase } from '../../src/store/database.ts';
import { password } from '../console/console-fixture.ts';
import { CoapsuleProcess } from '../server/gateway-process.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { noBrowser, openPage, startBrowser } from './browser.ts';
import { buildConsole } from './built-console.ts';
import { type Answers, ConsoleServer } from './console-server.ts';

interface Endpoints {
  readonly coap: string;
  readonly coaps: string;
  readonly http: string;
}

test('pages of a gateway that is killed show it, come back by themselves, and go on at the same view after a login', async (t) => {
  const missing = noBrowser();
  if (missing !== undefined) return t.skip(missing);
  buildConsole();
  const data = temporaryFolder(t);
  const start = async (coap: string, coaps: string, http: string) => {
    const serve = new CoapsuleProcess(t, [
      ...['serve', '--data', data, '--psk', 'pump:a key of the pump', '--dangerously-allow-plain-writes'],
      ...['--coap', coap, '--coaps', coaps, '--http', http],
    ]);
    return { serve, endpoints: (await serve.ready()) as Endpoints };
  };
  const any = '127.0.0.1:0';
  const first = await start(any, any, any);
  const { coap, coaps, http } = first.endpoints;
  const opened = openDatabase(data, { create: false, asGateway: false });
  new ConsoleTable(opened.database).add({
    ...{ name: 'olga', role: 'operate', password: await hashedPassword(password), addedAtMs: 1 },
  });
  opened.close();
  const device = new Client();
  t.after(() => device.close());
  const write = async (value: string): Promise<void> => {
    const { ok, codeText } = await device.put(`coap://${coap}/sensors/pump/temp`, { payload: value });
    assert.ok(ok, codeText);
  };
  await write('20.5');

  const browser = await startBrowser();
  t.after(() => browser.close());
  const live = await openPage(browser);
  const at = `http://${http}/console/live?search=pump%2Ftemp`;
  const logIn = async (): Promise<void> => {
    await live.page.getByLabel('Name').fill('olga');
    await live.page.getByLabel('Password').fill(password);
    await live.page.keyboard.press('Enter');
  };
  const shows = (text: string | RegExp): Promise<void> =>
    live.page.locator('main').getByText(text).first().waitFor();
  await live.page.goto(at);
  await live.page.getByLabel('Password').waitFor();
  assert.equal(await live.page.getByText(/Your session is over/).count(), 0, 'nothing is lost yet');
  await logIn();
  await shows(/20\.5/);
  // A second page of the same browser observes with the explorer.
  const observing = await live.page.context().newPage();
  observing.on('pageerror', (error) => live.faults.push(`error: ${error.message}`));
  await observing.goto(
    `http://${http}/console/explorer?uri=${encodeURIComponent(`coap://${coap}/sensors/pump/temp`)}`,
  );
  await observing.getByRole('button', { name: 'Observe', exact: true }).click();
  await observing.getByText(/The payload is the representation/).waitFor();
  await write('20.75');
  await observing.getByText(/Notifications \(1\)/).waitFor();
  await shows(/20\.75/);

  await first.serve.kill('SIGKILL');
  await shows(/The gateway does not answer/);
  await shows(/20\.75/);
  await observing
    .getByText(/The gateway does not answer/)
    .first()
    .waitFor();
  await live.picture('dead-gateway');

  await start(coap, coaps, http);
  await shows(/Your session is over/);
  assert.equal(live.page.url(), at, 'the view stays');
  assert.equal(await live.page.getByText(/The gateway does not answer/).count(), 0);
  await live.check('session-lost');
  await logIn();
  await shows(/20\.75/);
  assert.equal(live.page.url(), at);
  await write('21.75');
  await shows(/21\.75/);
  assert.equal(await live.page.locator('.live-path').count(), 1, 'the path is there once');
  assert.equal(
    await live.page
      .locator('main')
      .getByText(/20\.75/)
      .count(),
    0,
    'the old value went',
  );
  await observing.bringToFront();
  // It shares the cookie of the first page, and is asked by nobody to log in again.
  await observing.reload();
  await observing.getByRole('button', { name: 'Observe', exact: true }).waitFor();
  assert.equal(await observing.getByLabel('Password').count(), 0);
  await live.check('live-after-restart');
});

test('a server in between that says 502 is a gateway that does not answer, not one where nobody is logged in', async (t) => {
  const missing = noBrowser();
  if (missing !== undefined) return t.skip(missing);
  buildConsole();
  const bad: Answers[string] = (_, response) => {
    response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>');
  };
  const server = new ConsoleServer({ 'GET /api/session': bad });
  await server.listen();
  t.after(() => server.close());
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { page, faults } = await openPage(browser);
  await page.goto(`${server.origin}/console/devices`);
  await page.getByText(/The gateway does not answer/).waitFor();
  assert.equal(await page.getByLabel('Password').count(), 0);
  server.answers = {};
  await page.getByLabel('Password').waitFor();
  assert.equal(await page.getByText(/The gateway does not answer/).count(), 0);
  assert.deepEqual(faults, []);
});
