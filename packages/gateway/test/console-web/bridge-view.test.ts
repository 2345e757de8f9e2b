/**
 * The view of bridge and proxies in a browser, on a gateway that has them: with mosquitto, which goes away and comes back, and with a
 * server of libcoap behind it.
 */

import assert from 'node:assert/strict';
import { Mosquitto, subscriber } from '../interop/mosquitto-broker.ts';
import { peerTest } from '../interop/peer.ts';
import { freeUdpPorts, start, until, untilBound } from '../interop/process.ts';
import { coapsule, demo, demoCredentials, startGateway } from '../interop/programs.ts';
import { noBrowser, openPage, startBrowser } from './browser.ts';
import { buildConsole } from './built-console.ts';

const key = '0x00112233445566778899aabbccddeeff';
const panel = ['-u', 'panel', '-k', key] as const;

peerTest(
  'an outage of the broker is shown with what waits, and that it is over; answers of the proxies are counted by where they came from',
  ['mosquitto', 'coap-server-notls'],
  async (t) => {
    const missing = noBrowser();
    if (missing !== undefined) return t.skip(missing);
    buildConsole();
    const broker = await Mosquitto.start(t, 'allow_anonymous true');
    const url = `mqtt://127.0.0.1:${broker.port}`;
    const { messages } = await subscriber(t, url);
    const port = await freeUdpPorts(1);
    start(t, 'coap-server-notls', ['-A', '127.0.0.1', '-p', String(port)]);
    await untilBound(port);
    const target = `coap://127.0.0.1:${port}`;
    const gateway = await startGateway(
      t,
      ...['--http', '127.0.0.1:0', '--mqtt', url],
      ...['--reverse-proxy', `/plant=${target}`],
      ...['--proxy', 'coap://127.0.0.1:*', '--proxy-network', '127.0.0.1'],
    );
    const [link] = await gateway.process.waitFor(/http:\/\/\S+\/console\/login#\S+/);
    const browser = await startBrowser();
    t.after(() => browser.close());
    const shown = await openPage(browser);
    const { page } = shown;
    await page.goto(link);
    await page.getByRole('button', { name: /^Log out/ }).waitFor();
    await page.getByRole('link', { name: 'Bridge and proxies' }).first().focus();
    await page.keyboard.press('Enter');
    await page.locator('main h1', { hasText: 'Bridge and proxies' }).waitFor();
    const figure = (name: string) =>
      page.locator('.figures > div', { has: page.getByText(name, { exact: true }) }).locator('dd');
    const becomes = (name: string, value: string): Promise<void> =>
      figure(name).getByText(value, { exact: true }).waitFor();
    const write = async (value: string): Promise<void> => {
      const { code, output } = await coapsule(
        t,
        ...['put', `${gateway.coaps}/sensors/${demo.identity}/t`, '-e', value, '-t', '0'],
        ...demoCredentials,
      );
      assert.equal(code, 0, output);
    };

    await t.test('a bridge that is connected says so, and how paths become topics', async () => {
      await page.getByText(`Connected to ${url}.`).waitFor();
      await page.getByText('coapsule/telemetry/sensors/7/temperature').waitFor();
      await becomes('Waiting', '0');
      await shown.check('bridge-connected');
    });

    await t.test('while the broker is gone the page says so, and counts what waits on disk', async () => {
      await broker.down('SIGTERM');
      await page.getByText(`Not connected to ${url}: what devices send waits on disk.`).waitFor();
      for (const value of ['20.5', '21', '21.5']) await write(value);
      await becomes('Waiting', '3');
      assert.notEqual(await figure('Bytes that wait').innerText(), '0 B');
      await shown.check('bridge-outage');
    });

    await t.test('when the broker is back nothing waits any more, and all of it has arrived', async () => {
      await broker.up();
      await page.getByText(`Connected to ${url}.`).waitFor();
      await becomes('Waiting', '0');
      await write('22');
      await until(
        () =>
          ['20.5', '21', '21.5', '22'].every((value) => messages.some(({ payload }) => payload === value)),
        'all readings arrive',
      );
      assert.deepEqual(shown.faults, []);
    });

    await t.test(
      'answers through the reverse-proxy and the forward-proxy are counted, those of the cache apart',
      async () => {
        await page.getByText('Forward proxy to: coap://127.0.0.1:*').waitFor();
        await page.getByRole('cell', { name: target }).first().waitFor();
        await becomes('Forwarded', '0');
        const added = await coapsule(
          t,
          ...['device', 'add', 'panel', '--psk', key, '--data', gateway.folder],
          ...['--allow', 'GET:/plant/*'],
        );
        assert.equal(added.code, 0, added.output);
        const ask = async (...args: readonly string[]): Promise<void> => {
          const { code, output } = await coapsule(t, 'get', ...args, ...panel);
          assert.equal(code, 0, output);
        };
        await ask(`${gateway.coaps}/plant/`);
        await becomes('Forwarded', '1');
        // libcoap's server gives it two days.
        await ask(`${gateway.coaps}/plant/`);
        await becomes('Answered from the cache', '1');
        await ask(`${target}/time`, '--proxy', gateway.coaps);
        await becomes('Forwarded', '2');
        const gone = await coapsule(
          t,
          ...['get', 'coap://127.0.0.1:1/x', '--proxy', gateway.coaps, '--timeout', '20'],
          ...demoCredentials,
        );
        assert.notEqual(gone.code, 0);
        await becomes('Failed', '1');
        await shown.check('proxies-configured');
      },
    );

    await t.test('it fits a screen of 360 pixels', async () => {
      await page.setViewportSize({ width: 360, height: 740 });
      const wide = await page.evaluate('document.documentElement.scrollWidth');
      assert.equal(wide, 360);
      await shown.check('bridge-configured');
    });
  },
);
