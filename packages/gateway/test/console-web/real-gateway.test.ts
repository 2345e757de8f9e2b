/** The console's pages on a gateway that runs, with libcoap's client and server, in a browser. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openTraffic } from '../../src/cli/traffic-options.ts';
import type { HandshakesView } from '../../src/console/api-types.ts';
import { password, startTestConsole } from '../console/console-fixture.ts';
import { peerTest } from '../interop/peer.ts';
import { freeUdpPorts, run, start, temporaryFolder, untilBound } from '../interop/process.ts';
import { noBrowser, openPage, startBrowser } from './browser.ts';
import { buildConsole } from './built-console.ts';

const silent = { verbosity: 0, error() {}, warning() {}, detail() {} } as const;
const appFolder = join(import.meta.dirname, '../../dist/console');

peerTest(
  'a person logs in, asks a libcoap server, is told why a key is wrong, adds a device that connects by the printed command, and sees it all live',
  ['coap-server-notls', 'coap-client-openssl', 'tshark'],
  async (t) => {
    const missing = noBrowser();
    if (missing !== undefined) return t.skip(missing);
    buildConsole();
    const traffic = openTraffic({ writeLimit: 1_000_000, traffic: 1_000_000 }, silent);
    t.after(() => traffic.close());
    const started = await startTestConsole(t, {
      ...{ demo: true, workers: 2, console: { appFolder } },
      ...{ capture: traffic.capture, keylog: traffic.keylog, traffic: traffic.ring },
    });
    const browser = await startBrowser();
    t.after(() => browser.close());
    const shown = await openPage(browser);
    const { page } = shown;
    const at = async (path: string): Promise<void> => {
      await page.goto(`${started.base}/console/${path}`);
      await page.locator('main h1').waitFor();
    };
    const contains = (text: string | RegExp): Promise<void> =>
      page.locator('main').getByText(text).filter({ visible: true }).first().waitFor();

    await t.test('the link of the start logs in once', async () => {
      const link = started.gateway.consoleLink ?? assert.fail('there is no link');
      await page.goto(link);
      await page.getByRole('button', { name: /^Log out/ }).waitFor();
      assert.doesNotMatch(page.url(), /#/);
      const other = await openPage(browser);
      await other.page.goto(link);
      await other.page.getByRole('button', { name: 'Log in' }).waitFor();
      assert.equal(await other.page.getByRole('button', { name: /^Log out/ }).count(), 0);
      await other.page.context().close();
    });

    await t.test('a libcoap server is discovered, read, written and observed', async (inner) => {
      const port = await freeUdpPorts(1);
      start(inner, 'coap-server-notls', ['-A', '127.0.0.1', '-p', String(port), '-d', '10']);
      await untilBound(port);
      await at(`explorer?uri=${encodeURIComponent(`coap://127.0.0.1:${port}/`)}`);
      await page.getByRole('button', { name: 'Discover' }).click();
      await page.getByRole('button', { name: /^\/time/ }).click();
      await page.getByRole('button', { name: 'Send GET' }).click();
      await contains(/The payload is the representation/);
      await page
        .getByRole('button', { name: /CON GET|GET/ })
        .filter({ hasText: '→' })
        .first()
        .click();
      await page.locator('.dump .byte').first().waitFor();
      await page.getByRole('button', { name: 'Observe', exact: true }).click();
      await contains(/Notifications \([2-9]\)/);
      await page.getByRole('button', { name: 'End the observation' }).click();
      await page.getByLabel('Address').fill(`coap://127.0.0.1:${port}/new`);
      await page.getByRole('button', { name: 'PUT', exact: true }).click();
      await page.getByLabel('Payload', { exact: true }).fill('22.5');
      await page.getByRole('button', { name: 'Send PUT' }).click();
      await contains('Created');
      await page.getByRole('button', { name: 'Ping' }).click();
      await contains(/It is there/);
      await shown.check('explorer-libcoap');
    });

    await t.test('a wrong key is explained', async () => {
      await at(`explorer?uri=${encodeURIComponent(`${started.coaps}/temperature`)}&as=psk&timeout=10`);
      await page.getByLabel('Identity').fill('sensor-042');
      await page.getByLabel('Key', { exact: true }).fill('a key that is wrong');
      await page.getByRole('button', { name: 'Send GET' }).click();
      await contains(/identity unknown or key wrong/);
      await shown.check('explorer-wrong-key');
    });

    await t.test(
      'a device is added, and connects with the command that is printed; its value is there at once',
      async () => {
        await at('devices/new');
        await page.getByLabel('Id', { exact: true }).fill('sensor-7');
        await page.getByRole('button', { name: 'Add it' }).click();
        await contains('sensor-7 may connect.');
        const commands = await page
          .locator('figure.copyable', { hasText: 'coap-client' })
          .locator('pre')
          .allInnerTexts();
        const printed =
          commands.find((command) => command.startsWith('coap-client')) ?? assert.fail(String(commands));
        assert.match(printed, /-m put/);
        const finished = await run(t, 'sh', [
          '-c',
          printed.replace('coap-client', 'coap-client-openssl -B 8'),
        ]);
        assert.equal(finished.code, 0, finished.output);
        assert.doesNotMatch(finished.output, /4\.\d\d|ERR|cannot/);
        await shown.check('device-added-real');
        await at('live');
        await contains(/22\.5/);
        await at('devices?search=sensor-7');
        await contains('pre-shared key');
      },
    );

    await t.test(
      'live values move, and are plotted with those that came before the page was opened',
      async () => {
        const device = started.client('sensor-042', 'MySecret16ByteK!');
        const write = async (value: string): Promise<void> => {
          const { ok, codeText } = await device.put(`${started.coaps}/sensors/temp`, { payload: value });
          assert.ok(ok, codeText);
        };
        for (const before of ['18.5', '19', '19.5']) await write(before);
        await at('live?search=sensors%2Ftemp');
        await write('20.5');
        await contains(/20\.5/);
        await write('21.25');
        await contains(/21\.25/);
        await page
          .getByRole('button', { name: /Plot of/ })
          .first()
          .click();
        await page.locator('.plot-box canvas').waitFor();
        await page.getByText('The same as a table').click();
        await page.locator('.plot details tbody tr').first().getByText('18.5').waitFor();
        await page.getByRole('button', { name: 'Pin', exact: true }).click();
        await page.waitForURL(/pins=/);
        // The address is all that a colleague needs.
        await page.goto(page.url().replace(/plot=[^&]*&?/, ''));
        await page.locator('.plot-box canvas').waitFor();
        // Not a number that a time of day has as well.
        await write('22.75');
        await contains(/22\.75/);
        await shown.check('live-real');
      },
    );

    await t.test('traffic is there with its fields, and what is saved is read by tshark', async () => {
      await at('traffic');
      await page.locator('.rows tbody tr').first().waitFor();
      await page.locator('.rows tbody button').first().click();
      await page.locator('.dump .byte').first().waitFor();
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Save traffic.pcapng' }).click(),
      ]);
      const file = join(temporaryFolder(t), 'traffic.pcapng');
      await download.saveAs(file);
      const { code, output } = await run(t, 'tshark', ['-r', file]);
      assert.equal(code, 0, output);
      assert.match(output, /DTLS/i);
      await shown.check('traffic-real');
    });

    await t.test(
      'sessions of both threads are there: who observes what, and why a handshake failed with what to do',
      async () => {
        const observing = Array.from({ length: 6 }, () =>
          started
            .client('sensor-042', 'MySecret16ByteK!')
            .observe(`${started.coaps}/light`)
            [Symbol.asyncIterator](),
        );
        await Promise.all(observing.map((states) => states.next()));
        await at('sessions');
        await page
          .getByRole('row', { name: /^\/light 6 / })
          .first()
          .waitFor();
        const failed = page.getByRole('row', { name: /sensor-042 failed/ }).first();
        assert.match(await failed.innerText(), /key/);
        const { handshakes } = (await (
          await page.request.get(`${started.base}/api/traffic/handshakes`)
        ).json()) as HandshakesView;
        const { nextStep } = handshakes.find(({ isOk }) => !isOk) ?? assert.fail('no failure is known');
        await failed.getByText(nextStep ?? assert.fail('there is no next step')).waitFor();
        await shown.check('sessions-workers');
        await Promise.all(observing.map((states) => states.return?.()));
      },
    );

    await t.test('every other view shows what there is', async () => {
      for (const [path, text] of [
        ['sessions', /sensor-042/],
        ['directory', /Nobody has registered yet/],
        ['bridge', /This gateway has no bridge/],
        ['metrics', /coap/],
        ['scenarios', /None yet: choose a scenario/],
      ] as const) {
        await at(path);
        await contains(text);
        await shown.check(`${path}-real`);
      }
    });

    await t.test('who may only look sees what that role may, after logging in with a password', async () => {
      await started.as('view');
      const viewer = await openPage(browser);
      await viewer.page.goto(`${started.base}/console/devices`);
      await viewer.page.getByLabel('Name').fill('view');
      await viewer.page.getByLabel('Password').fill(password);
      await viewer.page.keyboard.press('Enter');
      await viewer.page.getByText('sensor-7').first().waitFor();
      assert.equal(await viewer.page.getByRole('link', { name: 'Add a device' }).count(), 0);
      await viewer.page.getByRole('link', { name: 'Explorer', exact: true }).click();
      await viewer.page.getByText(/needs the role "operate", yours is "view"/).waitFor();
      await viewer.page.getByRole('button', { name: /^Log out/ }).click();
      await viewer.page.getByLabel('Password').waitFor();
      assert.deepEqual(viewer.faults, []);
      await viewer.page.context().close();
    });
  },
);
