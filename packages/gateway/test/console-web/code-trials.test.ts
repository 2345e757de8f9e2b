/** Every "try it" of the Response Code Reference, followed in a browser at a gateway that runs. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { trialOf } from '../../console/learn/code-trials.ts';
import { findResponseCodes } from '../../src/advice/response-codes.ts';
import { startTestConsole } from '../console/console-fixture.ts';
import { noBrowser, openPage, startBrowser } from './browser.ts';
import { appFolder, buildConsole } from './built-console.ts';

const codes = findResponseCodes({ all: true }).found;
const tried = codes.filter(({ text }) => trialOf(text) !== undefined);

describe('the response codes, tried for real', { skip: noBrowser() }, () => {
  let browser: Browser;
  before(async () => {
    buildConsole();
    browser = await startBrowser();
  });
  after(() => browser?.close());

  test('each trial is answered with its code by the gateway itself, and what has none says why', async (t) => {
    const started = await startTestConsole(t, { demo: true, console: { appFolder } });
    const shown = await openPage(browser);
    t.after(() => shown.page.context().close());
    const { page } = shown;
    await page.goto(started.gateway.consoleLink ?? assert.fail('there is no link'));
    await page.getByRole('button', { name: /^Log out/ }).waitFor();
    await page.goto(`${started.base}/console/learn/codes?registered=1`);
    // The links have the ports of this gateway, not the usual ones.
    await page
      .locator(`a[href*="${new URL(started.coap).port}"]`)
      .first()
      .waitFor();
    const rows = page.locator('tbody tr');
    assert.equal(await rows.count(), 27);
    for (const row of await rows.all()) {
      assert.ok((await row.locator('td').last().innerText()).length > 5, await row.innerText());
    }
    const answered: string[] = [];
    for (const { text: code, name } of tried) {
      const link = page.getByRole('link', { name: `try it: ${code} in the explorer` });
      const target = await link.getAttribute('href');
      const hint = await page.locator('tr', { has: link }).locator('.hint').allInnerTexts();
      await link.click();
      await page.getByRole('heading', { level: 1, name: 'Explorer' }).waitFor();
      if (target?.includes('as=psk')) {
        // What the hint says.
        const [, identity = '', key = ''] = /identity (\S+) and the key (\S+),/.exec(hint.join()) ?? [];
        await page.getByLabel('Identity').fill(identity);
        await page.getByLabel('Key', { exact: true }).fill(key);
      }
      await page.getByRole('button', { name: /^Send / }).click();
      await page.locator('main .chip').filter({ hasText: code }).first().waitFor();
      await page.locator('main').getByText(name).first().waitFor();
      answered.push(code);
      await page.goBack();
      await page.locator('tbody tr').first().waitFor();
    }
    assert.equal(answered.length, 20, String(answered));
    await shown.check('learn/codes-tried');
  });
});
