/** Names, payloads and links as attackers choose them, from real devices through a real gateway into every view: they are text. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openTraffic } from '../../src/cli/traffic-options.ts';
import type { DevicesPage, DeviceView } from '../../src/console/api-types.ts';
import { browser as browserOf, startTestConsole } from '../console/console-fixture.ts';
import { noBrowser, openPage, startBrowser } from './browser.ts';
import { buildConsole } from './built-console.ts';

const silent = { verbosity: 0, error() {}, warning() {}, detail() {} } as const;
const appFolder = join(import.meta.dirname, '../../dist/console');
const key = 'one key for all!';

const script = '<img src=x onerror=alert(1)><svg/onload=alert(2)>"\'`{{7*7}}';
const names = [
  ...[
    '.',
    '..',
    '%2e',
    '%2e%2e',
    '__proto__',
    'constructor',
    'toString',
    'a/b',
    '/',
    '//x',
    '../../api/session',
  ],
  ...['new', 'a?b#c', 'a\u0000b', '\u202egnp.exe', 'javascript:alert(3)', 'x'.repeat(128), script],
] as const;
const payloads: readonly (readonly [Uint8Array | string, number])[] = [
  [`<script>alert(4)</script>${script}`, 0],
  ['<html><body onload=alert(5)>', 0],
  [new Uint8Array(900).fill(255), 42],
  ['{"__proto__":{"polluted":true},"a":"</script><script>alert(6)</script>"}', 50],
  [`[{"n":"${'<b>'.repeat(20)}","v":1e308},{"n":"__proto__","vs":"<script>alert(7)</script>"}]`, 110],
  ['9'.repeat(900), 0],
  [new Uint8Array([0x9f, 0x9f, 0x9f, 0x9f, 0xff]), 60],
  ['\u202e\u2066\u0000\u001b[31m', 0],
];
const links = [
  `</${encodeURIComponent(script)}>;rt="<script>alert(8)</script>";title="\u202e${script.replaceAll('"', "'")}"`,
  '<javascript:alert(9)>;rt="javascript:alert(9)"',
  '<https://evil.example/x>;rt="x";__proto__="y";constructor="z"',
  '</..%2f..%2f>;if="\'><img src=x>"',
].join(',');

test('hostile names, payloads and links of devices are shown as text in every view, and lead nowhere', async (t) => {
  const missing = noBrowser();
  if (missing !== undefined) return t.skip(missing);
  buildConsole();
  const traffic = openTraffic({ writeLimit: 1_000_000, traffic: 4_000_000 }, silent);
  t.after(() => traffic.close());
  const started = await startTestConsole(t, {
    console: { appFolder },
    anyIdentityKey: new TextEncoder().encode(key),
    ...{ capture: traffic.capture, keylog: traffic.keylog, traffic: traffic.ring },
  });
  let [wrote, entered] = [0, 0];
  for (const [index, name] of names.entries()) {
    const device = started.client(name, key);
    const [payload, contentFormat] = payloads[index % payloads.length] ?? assert.fail();
    const path = `/sensors/${encodeURIComponent(name.length > 2 ? name : `_${name}`)}/${encodeURIComponent(script)}`;
    const put = await device.put(`${started.coaps}${path}`, { payload, contentFormat });
    if (put.ok) wrote++;
    const registered = await device.post(`${started.coaps}/rd?ep=${encodeURIComponent(name)}&lt=600`, {
      payload: links,
      contentFormat: 40,
    });
    if (registered.ok) entered++;
  }
  assert.ok(wrote > 0 && entered > 0, `${wrote} values and ${entered} registrations are there`);
  const wrong = started.client(script, 'a key that is wrong');
  await assert.rejects(wrong.get(`${started.coaps}/x`));

  const token = (link: string | undefined): string => link?.split('#')[1] ?? assert.fail('there is no link');
  const admin = await browserOf(
    started.base,
    await started.ask('POST', '/api/session/link', { token: token(started.gateway.consoleLink) }),
  );
  const { devices } = await admin.json<DevicesPage>('GET', '/api/devices?limit=500');
  const ids = devices.map(({ id }) => id);
  for (const name of names) {
    const path = encodeURIComponent(name);
    if (name === '.' || name === '..') continue;
    const answer = await admin.ask('GET', `/api/devices/${path}`);
    assert.equal(answer.headers.get('content-type')?.split(';')[0], 'application/json', name);
    const view = (await answer.json()) as DeviceView;
    if (ids.includes(name)) assert.equal(view.id, name);
  }

  const browser = await startBrowser();
  t.after(() => browser.close());
  const shown = await openPage(browser);
  const { page } = shown;
  page.on('dialog', (dialog) => {
    shown.faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const [cookieName = '', cookie = ''] = admin.cookie.split('=');
  await page.context().addCookies([{ name: cookieName, value: cookie, url: started.base }]);
  const inert = async (path: string): Promise<void> => {
    await page.goto(`${started.base}/console/${path}`);
    await page.locator('main h1').waitFor();
    await page
      .locator('main')
      .getByText(/Loading/)
      .waitFor({ state: 'hidden' });
    const found = await page.evaluate(() => {
      const { document: all, polluted } = globalThis as unknown as {
        readonly polluted: unknown;
        readonly document: {
          querySelectorAll(selector: string): Iterable<{ readonly outerHTML: string }>;
        };
      };
      const bad =
        'main script, main iframe, img[src="x"], [onerror], [onload], a[href^="javascript:" i], a[href*="evil.example"]';
      return [
        ...[...all.querySelectorAll(bad)].map(({ outerHTML }) => outerHTML),
        ...(polluted === undefined ? [] : ['polluted']),
      ];
    });
    assert.deepEqual([...found, ...shown.faults], [], path);
  };
  for (const path of [
    '',
    'devices',
    'live',
    'traffic',
    'sessions',
    'directory',
    'metrics',
    'bridge',
    'scenarios',
    'explorer',
  ])
    await inert(path);
  for (const name of names) {
    await inert(`devices/${encodeURIComponent(name)}`);
  }
  for (const value of [script, 'javascript:alert(1)', 'coap://<script>', '__proto__', '%00', '\u202e'])
    await inert(`explorer?uri=${encodeURIComponent(value)}`);
  // Every payload through the explorer's renderers, and the links of the directory through its tree.
  for (const [index, name] of names.slice(0, payloads.length).entries()) {
    const device = started.client(name, key);
    const [payload, contentFormat] = payloads[index % payloads.length] ?? assert.fail();
    await device.put(`${started.coaps}/sensors/shown`, { payload, contentFormat });
    await inert(`explorer?uri=${encodeURIComponent(`${started.coap}/sensors/shown`)}`);
    await page.getByRole('button', { name: 'Send GET' }).click();
    await page
      .locator('main')
      .getByText(/2\.05|4\.\d\d/)
      .first()
      .waitFor();
    assert.deepEqual(shown.faults, [], String(payload).slice(0, 40));
  }
  await page.goto(`${started.base}/console/traffic`);
  await page.locator('.rows tbody tr').first().waitFor();
  await shown.check('hostile-traffic');
  await page.goto(`${started.base}/console/directory`);
  await page
    .locator('main')
    .getByText(/alert\(8\)/)
    .first()
    .waitFor();
  await shown.check('hostile-directory');
  assert.deepEqual(shown.faults, []);
});
