/** The first load of the console keeps its budgets, and the test that says so fails where it does not. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { noBrowser, openPage, startBrowser } from './browser.ts';
import { buildConsole } from './built-console.ts';
import { ConsoleServer } from './console-server.ts';
import { budgets, type FirstLoad, firstLoad, overBudget } from './first-load.ts';

describe('the first load', { skip: noBrowser() }, () => {
  const server = new ConsoleServer();
  let browser: Browser;
  before(async () => {
    buildConsole();
    await server.listen();
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await server.close();
  });

  /** Loads it anew. @param change What is put into the script of the page, as something that was built too large would be. */
  async function loaded(change?: () => string): Promise<FirstLoad> {
    const { page } = await openPage(browser);
    try {
      if (change !== undefined) await addToScripts(page, change);
      return await firstLoad(page, `${server.origin}/console/`);
    } finally {
      await page.context().close();
    }
  }

  test('is under 150 kB compressed and 14 requests, and ready within 2.5 s on slow 4G', async () => {
    const load = await loaded();
    assert.deepEqual(overBudget(load), [], JSON.stringify(load));
    // It is measured at all.
    assert.ok(load.compressedBytes > 20_000 && load.requests > 3 && load.depth > 1, JSON.stringify(load));
    assert.ok(load.interactiveMs > 500, JSON.stringify(load));
  });

  test('is found too large when 150 kB are added to it', async () => {
    const load = await loaded(() => `\n//${randomBytes(150_000).toString('base64')}`);
    assert.match(overBudget(load).join(), /^compressedBytes: \d+ of 150000/, JSON.stringify(load));
  });

  test('is found to ask too often when 14 more files are asked for', async () => {
    const load = await loaded(
      () => `\nfor (let i = 0; i < ${budgets.requests}; i++) fetch('/console/icon.svg?' + i);`,
    );
    assert.match(overBudget(load).join(), /requests: \d+ of 14/, JSON.stringify(load));
  });

  test('is found too late when there are 2.5 MB of script to read', async () => {
    const load = await loaded(() => `\n//${'x'.repeat(2_500_000)}`);
    assert.match(overBudget(load).join(), /^interactiveMs: \d+ of 2500/, JSON.stringify(load));
  });
});

/** Into the first script that the page asks for. */
async function addToScripts(page: Page, change: () => string): Promise<void> {
  let isDone = false;
  await page.route('**/*.js', async (route) => {
    if (isDone) return route.continue();
    isDone = true;
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()) + change() });
  });
}
