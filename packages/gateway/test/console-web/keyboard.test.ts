/** All views of the console at a gateway that runs: by keyboard alone, for axe-core in the dark and on a narrow screen. */

import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { startTestConsole } from '../console/console-fixture.ts';
import { noBrowser, openPage, startBrowser, type WatchedPage } from './browser.ts';
import { appFolder, buildConsole } from './built-console.ts';
import { walkByKeyboard } from './keyboard-walk.ts';

/** Addresses below those of the navigation, and tools with all that they can show. */
const more: readonly string[] = [
  ...['', 'devices/new', 'devices/sensor-042', 'learn/codes?registered=1', 'learn/handshake?radio=own'],
];

describe('every view', { skip: noBrowser() }, () => {
  let browser: Browser;
  before(async () => {
    buildConsole();
    browser = await startBrowser();
  });
  after(() => browser?.close());

  /** Logged in as an admin, with demo resources and a device that has said something. */
  async function opened(t: TestContext, size: { readonly width?: number; readonly height?: number } = {}) {
    const started = await startTestConsole(t, { demo: true, console: { appFolder } });
    const device = started.client('sensor-042', 'MySecret16ByteK!');
    assert.ok((await device.put(`${started.coaps}/sensors/temp`, { payload: '20.5' })).ok);
    const shown = await openPage(browser, size);
    t.after(() => shown.page.context().close());
    await shown.page.goto(started.gateway.consoleLink ?? assert.fail('there is no link'));
    await shown.page.locator('main h1').waitFor();
    const links = await shown.page
      .locator('nav a')
      .evaluateAll((all) => all.map((one) => one.getAttribute('href')));
    const paths = [...links.map((href) => href?.replace('/console/', '') ?? ''), ...more];
    assert.ok(paths.length >= 23, paths.join());
    const at = async (path: string): Promise<void> => {
      await shown.page.goto(`${started.base}/console/${path}`);
      await shown.page.locator('main h1').waitFor();
      // What the view loads behind its first picture is there, too.
      await shown.page.waitForFunction(
        'document.querySelector("main")?.textContent.includes("Loading …") === false',
      );
    };
    return { shown, at, paths };
  }

  test('is gone through by Tab alone: each control is reached, shows its focus and does what its keys say, and nothing holds the focus', async (t) => {
    const { shown, at, paths } = await opened(t);
    const used: Record<string, number> = {};
    for (const path of paths) {
      await at(path);
      const walk = await walkByKeyboard(shown.page, { pressesButtons: path.startsWith('learn/') });
      assert.deepEqual(walk.faults, [], path);
      assert.ok(walk.reached > 20, `${path}: ${walk.reached}`);
      for (const [kind, count] of Object.entries(walk.used)) used[kind] = (used[kind] ?? 0) + count;
    }
    for (const [kind, least] of Object.entries({
      ...{ checkbox: 30, radio: 1, select: 15, number: 15, range: 4, text: 8, summary: 4, button: 20 },
    })) {
      assert.ok((used[kind] ?? 0) >= least, `${kind}: ${JSON.stringify(used)}`);
    }
    assert.deepEqual(shown.faults, []);
  });

  test('has no serious fault for axe-core in the dark', async (t) => {
    const { shown, at, paths } = await opened(t);
    await shown.page.emulateMedia({ colorScheme: 'dark' });
    await checkAll({ shown, at, paths }, 'dark');
  });

  test('has none on a screen of 360 pixels either, and is no wider', async (t) => {
    const { shown, at, paths } = await opened(t, { width: 360, height: 740 });
    await shown.page.emulateMedia({ colorScheme: 'light' });
    await checkAll({ shown, at, paths }, 'narrow', async (page, path) => {
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360, path);
    });
  });
});

test('a walk by keyboard tells what cannot be reached, shows no focus, poses as a control or holds the focus', {
  skip: noBrowser(),
}, async (t) => {
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { page } = await openPage(browser);
  await page.setContent(`<main><style>:focus-visible { outline: 3px solid } #plain:focus-visible { outline: none }</style>
    <button>good</button><button id="plain">unmarked</button><a href="#x">before</a>
    <input type="checkbox" aria-label="stuck" onclick="return false">
    <div role="button">posing</div><details><summary>more</summary><button>inside</button></details>
    <button id="gone" onclick="this.disabled = true">gone</button>
    <button onfocus="document.querySelector('a').focus()">trap</button><button>behind the trap</button></main>`);
  const { faults } = await walkByKeyboard(page, { pressesButtons: true });
  assert.deepEqual(faults, [
    'button "unmarked" has the focus and does not show it',
    'checkbox "stuck" is not changed by Space',
    'button "gone" loses the focus when it is pressed',
    'button "trap" is not reached by Tab',
    'button "behind the trap" is not reached by Tab',
    'div "posing" is a control by its role alone',
  ]);
});

async function checkAll(
  {
    shown,
    at,
    paths,
  }: {
    readonly shown: WatchedPage;
    readonly at: (path: string) => Promise<void>;
    readonly paths: readonly string[];
  },
  name: string,
  each?: (page: Page, path: string) => Promise<void>,
): Promise<void> {
  for (const path of paths) {
    await at(path);
    await shown.check(`${path === '' ? 'home' : path.replace('?', '-')}-${name}`);
    await each?.(shown.page, path);
  }
}
