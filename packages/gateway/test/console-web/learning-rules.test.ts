/** Each rule and figure of the requirements for the tools to learn, as the page in a browser has it. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { noBrowser, openPage, startBrowser, type WatchedPage } from './browser.ts';
import { buildConsole } from './built-console.ts';
import { ConsoleServer } from './console-server.ts';

describe('the rules of the tools, in a browser', { skip: noBrowser() }, () => {
  const server = new ConsoleServer();
  let browser: Browser;
  let shown: WatchedPage;
  let page: Page;
  before(async () => {
    buildConsole();
    await server.listen();
    browser = await startBrowser();
    shown = await openPage(browser);
    ({ page } = shown);
  });
  after(async () => {
    await browser?.close();
    await server.close();
  });

  const at = async (tool: string, query: Readonly<Record<string, string>> = {}): Promise<void> => {
    await page.goto(`${server.origin}/console/learn/${tool}?${new URLSearchParams(query)}`);
    await page.locator('main h1').waitFor();
  };
  const results = (): Promise<string> => page.locator('main').innerText();
  const verdict = (): Promise<string> => page.locator('.verdict').first().innerText();
  /** The row of a table of the page that begins so, its cells. */
  const row = async (first: string): Promise<readonly string[]> => {
    const found = page
      .locator('tbody tr')
      .filter({ has: page.getByRole('rowheader', { name: first, exact: true }) });
    return found.first().locator('th, td').allInnerTexts();
  };
  /** The value of a figure by its name. */
  const shownFigure = (name: string): Promise<string> =>
    page
      .locator('.figures > *', { has: page.getByText(name, { exact: true }) })
      .first()
      .innerText();

  test('CON or NON: every row of the matrix, with acceptable and network loss on both sides of each other', async () => {
    for (const [query, expected, more] of [
      [{ purpose: 'alert' }, 'CON', /alert must arrive/],
      [{ purpose: 'alert', priority: 'battery', acceptable: '50', loss: '0' }, 'CON', /alert/],
      [{ purpose: 'command', priority: 'battery' }, 'CON', /command/],
      [{ purpose: 'configuration', priority: 'battery' }, 'CON', /setting/],
      [{ purpose: 'firmware' }, 'CON', /block-wise/],
      [{ purpose: 'telemetry', priority: 'reliability' }, 'CON', /reliability/],
      [{ purpose: 'telemetry', priority: 'reliability', loss: '5' }, 'NON', /Non-confirmable/],
      [{ purpose: 'telemetry', priority: 'battery', loss: '40' }, 'NON', /as Confirmable|Confirmable/],
      [{ purpose: 'telemetry', loss: '5' }, 'NON', /Non-confirmable/],
      // The default inputs miss the target, and say so.
      [{}, 'NON', /10 %[\s\S]*5 %/],
      [{ purpose: 'status', loss: '5' }, 'NON', /Non-confirmable/],
      [{ purpose: 'status' }, 'CON', /Confirmable/],
      [{ purpose: 'status', loss: '0', priority: 'reliability' }, 'CON', /Confirmable/],
    ] as const) {
      await at('message-type', query);
      assert.equal(await verdict(), expected, JSON.stringify(query));
      assert.match(await results(), more, JSON.stringify(query));
    }
    await at('message-type');
    assert.equal(await page.locator('.notice.warning').count(), 1, 'the default inputs are warned about');
    await at('message-type', { acceptable: '10' });
    assert.equal(await page.locator('.notice.warning').count(), 0);
  });

  test('CON or NON: what arrives and how often is sent at 5, 10, 20 and 40 % of loss', async () => {
    for (const [loss, non, con, acknowledged, sends] of [
      ['0', '100 %', '100 %', '100 %', '1'],
      ['5', '95 %', '99.99997 %', '99.9991 %', '1.108'],
      ['10', '90 %', '99.999 %', '99.975', '1.234'],
      ['20', '80 %', '99.968 %', '99.395', '1.553'],
      ['40', '60 %', '98.976 %', '89.26', '2.48'],
    ] as const) {
      await at('message-type', { loss });
      const text = await results();
      for (const part of [non, con, acknowledged, sends])
        assert.ok(text.includes(part), `${loss} %: ${part}`);
    }
  });

  test('security: all 32 answers, 16 plain, 8 certificates, 4 key distribution, 3 OSCORE and 1 DTLS with keys', async () => {
    const counts: Record<string, number> = {};
    const facts = ['sensitive', 'pki', 'keys', 'proxies', 'headroom'] as const;
    for (let bits = 0; bits < 32; bits++) {
      await at('security', Object.fromEntries(facts.map((fact, at) => [fact, String((bits >> at) & 1)])));
      const mode = await verdict();
      counts[mode] = (counts[mode] ?? 0) + 1;
    }
    assert.deepEqual(counts, {
      'plain CoAP': 16,
      'DTLS with certificates': 8,
      'find a way to distribute keys first': 4,
      OSCORE: 3,
      'DTLS with pre-shared keys': 1,
    });
    await at('security', { sleep: '1' });
    assert.match(await results(), /a device that sleeps and forgets its association/);
    await at('security', { sensitive: '0' });
    assert.match(await results(), /encrypt anyway/);
    for (const [factor, ...cells] of [
      ['encryption', /none/, /AES-128/, /AES-128/, /AES-128/],
      ['authentication', /none/, /a key that both have/, /public keys and an authority/, /a secret/],
      ['handshake', /none/, /once, 512 bytes \(printed: 360\)/, /once, 1\d{3} bytes and more/, /none/],
      ['bytes a message', /^0$/, /^29, .* 37$/, /^29, .* 37$/, /^13 to 17 a request, 11 a response$/],
      ['keys come', /not at all/, /by hand/, /from the authority/, /at manufacture/],
      ['from end to end', /no/, /no, each proxy reads/, /no, each proxy reads/, /yes/],
      ['a new address', /no matter/, /Connection ID/, /Connection ID/, /no matter/],
      ['best for', /laboratory/, /constrained networks/, /companies/, /proxies, and devices that sleep/],
    ] as const) {
      const [, ...found] = await row(factor);
      for (const [column, pattern] of cells.entries()) assert.match(found[column] ?? '', pattern, factor);
    }
  });

  test('the configurator: messages, protection, observation, blocks and timers of each domain', async () => {
    for (const [domain, mode, readings, observation, blocks, warning] of [
      ['hospital', 'DTLS with pre-shared keys', 'NON', /the gateway observes/, '1024', undefined],
      ['agriculture', 'OSCORE', 'NON', /no observation of devices/, '1024', undefined],
      [
        'lighting',
        'DTLS with pre-shared keys',
        'CON',
        /clients observe/,
        '32',
        /multicast cannot be protected/,
      ],
      ['lock', 'DTLS with pre-shared keys', 'NON', /clients observe/, '32', undefined],
      ['hvac', 'DTLS with pre-shared keys', 'CON', /clients observe/, '1024', undefined],
      ['metering', 'DTLS with certificates', 'CON', /no observation/, '1024', undefined],
      ['industrial', 'DTLS with certificates', 'NON', /no observation/, '512', undefined],
      ['wearables', 'DTLS with pre-shared keys', 'NON', /the gateway observes/, '1024', undefined],
    ] as const) {
      await at('deployment', { domain });
      assert.equal(await verdict(), mode, domain);
      assert.equal((await row('readings'))[1], readings, domain);
      const text = await results();
      assert.match(text, observation, domain);
      assert.match(await shownFigure('Block size'), new RegExp(`\\b${blocks} B$`), domain);
      if (warning !== undefined) assert.match(text, warning);
      for (const what of ['alarms', 'commands', 'setpoints', 'settings']) {
        const [, type] = await row(what).catch(() => []);
        if (type !== undefined) assert.equal(type, 'CON', `${domain}: ${what}`);
      }
    }
    for (const [domain, what] of [
      ['hospital', 'alarms'],
      ['industrial', 'alarms'],
      ['lighting', 'commands'],
      ['lock', 'commands'],
      ['hvac', 'setpoints'],
      ['metering', 'load profiles and firmware, block-wise'],
    ] as const) {
      await at('deployment', { domain });
      assert.equal((await row(what))[1], 'CON', `${domain}: ${what}`);
    }
    await at('deployment', { domain: 'hospital', publicKeyInfrastructure: '1' });
    assert.equal(await verdict(), 'DTLS with certificates');
    await at('deployment', { domain: 'hospital', sensitiveData: '0' });
    assert.match(await results(), /patients must not go over plain CoAP/);
    await at('deployment', { domain: 'industrial', link: 'serial-9600' });
    assert.match(await shownFigure('ACK_TIMEOUT'), /4 s/);
    await at('deployment', { domain: 'lighting', sensitiveData: '0', payloadBytes: '200' });
    assert.match(await results(), /200 bytes are more than/);
  });

  test('protocol: the criteria of each alone name it, all of two name both with what joins them', async () => {
    const criteria = {
      CoAP: 'constrained low-power request-response rest multicast ipv6 device-to-device',
      HTTP: 'browser http-infrastructure unconstrained complex-authentication',
      MQTT: 'publish-subscribe broker many-to-many quality-of-service topics',
    };
    for (const [protocol, own] of Object.entries(criteria)) {
      await at('protocol', { true: own });
      assert.equal(await verdict(), protocol);
      assert.match(await results(), new RegExp(`${protocol}: 100 %`));
    }
    await at('protocol', { true: `${criteria.CoAP} ${criteria.MQTT}` });
    assert.equal(await verdict(), 'CoAP and MQTT');
    assert.match(await results(), /serve --mqtt/);
    await at('protocol', { true: `${criteria.CoAP} ${criteria.HTTP}` });
    assert.match(await results(), /serve --http/);
  });

  test('deep sleep: each of the five rows, and the printed months beside the right ones', async () => {
    for (const [query, expected] of [
      [{ sleeps: '0' }, 'keep one DTLS association open'],
      [{}, 'OSCORE'],
      [{ dtls: '1', retained: '256' }, 'save the DTLS association over sleep'],
      [{ dtls: '1', retained: '255' }, 'a handshake at every wake'],
      [{ secured: '0' }, 'for the laboratory only'],
    ] as const) {
      await at('sleep', query);
      assert.equal(await verdict(), expected, JSON.stringify(query));
    }
    const text = await results();
    for (const figure of ['43.2', '1,123.2', '28.8', '18.2', '27.4', '137 µA', '103 µA', '411 µA', '96 %']) {
      assert.ok(text.replaceAll('\u2009', ',').replaceAll('\u202f', ',').includes(figure), figure);
    }
  });

  test('handshake: latencies by round trip, as the formula of the document and as the engine has it', async () => {
    for (const [latency, handshake, first] of [
      ['20', '60 ms', '80 ms'],
      ['50', '150 ms', '200 ms'],
      ['100', '300 ms', '400 ms'],
      ['500', /1.500 ms/, /2.000 ms/],
    ] as const) {
      await at('handshake', { latency });
      assert.match(await shownFigure('Time of the handshake'), new RegExp(handshake));
      assert.match(await shownFigure('First answer after'), new RegExp(first));
    }
    await at('handshake', { latency: '50', cookie: '0' });
    assert.match(await shownFigure('Time of the handshake'), /100 ms/);
    await at('handshake', { resumption: '1' });
    assert.match(await shownFigure('Handshake'), /546 B/);
    await at('handshake', { link: 'serial-9600', latency: '1' });
    const slow = Number(
      /([\d.]+) ms/.exec(
        (await shownFigure('Time of the handshake')).replaceAll(/[\u2009\u202f,]/g, ''),
      )?.[1],
    );
    // 512 bytes at 960 bytes a second, and three round trips.
    assert.ok(Math.abs(slow - (512 / 960) * 1000 - 3) < 2, String(slow));
  });

  test('handshake: presets as printed and what is right, and one handshake spread over a thousand messages', async () => {
    await at('handshake');
    const steps = await row('by step: 120 + 140 + 60 bytes');
    assert.deepEqual(steps.slice(1, 5), ['0.064 mAh', '0.2304 mAs', '0.064 µAh', '0.76 mJ']);
    const simple = await row('6 messages of 100 bytes');
    assert.deepEqual(simple.slice(1, 5), ['0.6 mAs', '0.6 mAs', '0.1667 µAh', '1.98 mJ']);
    assert.equal((await row('360 bytes, whole ESP32'))[1], '45 mJ');
    // Of the first flight 75 bytes at 200 kbit/s and 20 mA: 3 ms, 0.06 mAs, 0.0167 µAh.
    assert.match(await page.locator('.steps li').first().innerText(), /75 B[\s\S]*0\.0167 µAh/);
    const spread = page.getByRole('region', { name: 'Spread over messages' });
    assert.match(await spread.innerText(), /1\D*000\s+0\.512 B/);
    await at('handshake', { radio: 'simple' });
    assert.match(
      await results(),
      /0\.0005\d* mAs, 0\.512 B/,
      '512 bytes at the simple radio over 1000 messages',
    );
  });

  test('eavesdropper: the ward of 200 monitors with what each option costs and leaves readable', async () => {
    await at('eavesdropper');
    await page.locator('.bytes .hidden').nth(2).waitFor();
    const plainText = async (name: string) =>
      (await row(name)).map((cell) => cell.replaceAll(/[\u2009\u202f]/g, ','));
    assert.match(await results(), /2.880 reports a day of each monitor, 576.000 of all, 6\.67 a second/);
    const [, each, day, all, handshake, atOnce] = await plainText('B: DTLS with pre-shared keys');
    assert.deepEqual([each, day, all, handshake], ['29 B', '83,520 B', '16.7 MB', '512 B']);
    assert.match(atOnce ?? '', /102,400 B; 0\.178 B/);
    assert.equal(
      (await row('A: the payload alone, AES-128')).at(-1),
      'who, where and what: ward, bed, heart rate',
    );
    assert.match((await row('C: DTLS with certificates'))[4] ?? '', /1.\d{3} B/);
    assert.match((await plainText('D: OSCORE')).join(' '), /17 B 48,960 B/);
    assert.match(await results(), /360 bytes: 72.000 B of all at once, 0\.125 B a message/);
    assert.match(await results(), /printed with 8 to 16 bytes, 23 to 46 kB a day/);
    assert.match(await results(), /bed 12 in ward 3/);
    assert.doesNotMatch(await results(), /HIPAA compliant|satisfies HIPAA/);
    await page.getByLabel('Monitors', { exact: true }).fill('10');
    await page.waitForURL(/devices=10/);
    assert.match(await results(), /28.800 of all/);
    await shown.check('learn/eavesdropper');
  });

  test('a tool recalculates at once and asks nobody for it, also without a network', async () => {
    await at('message-type');
    await page.locator('.plot-box canvas').first().waitFor();
    const asked: string[] = [];
    const note = (request: { url(): string }): number => asked.push(request.url());
    page.on('request', note);
    await page.context().setOffline(true);
    await page.getByLabel('Purpose of the message').selectOption('alert');
    assert.equal(await verdict(), 'CON');
    await page.getByRole('spinbutton', { name: /^Loss of the network/ }).fill('40');
    assert.match(await results(), /98\.976 %/);
    await page.context().setOffline(false);
    page.off('request', note);
    // The frame asks whether the gateway is there, and the browser for the icon of another address.
    assert.deepEqual(
      asked.filter((url) => !/\/api\/session|\/icon\.svg/.test(url)),
      [],
    );
  });

  test('response codes: search and category hold both, and 2.0 finds 2.01 to 2.05', async () => {
    const found = async (query: Readonly<Record<string, string>>) => {
      await at('codes', query);
      return page.locator('tbody th').allInnerTexts();
    };
    assert.deepEqual(await found({ search: '2.0', category: '2' }), ['2.01', '2.02', '2.03', '2.04', '2.05']);
    assert.deepEqual(await found({ search: '4.04' }), ['4.04']);
    assert.deepEqual(await found({ search: 'not found', category: '5' }), []);
    assert.ok((await found({ search: 'Not Found' })).includes('4.04'));
    assert.equal((await found({})).length, 17);
    assert.equal((await found({ registered: '1' })).length, 27);
  });
});
