/**
 * Debian's Chromium, driven by playwright-core, and what every page has to keep: no error in its console, no report of the
 * Content-Security-Policy, no request to elsewhere, no serious fault for axe-core.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { smallPicture } from './small-picture.ts';

const executablePath = process.env['COAPSULE_CHROMIUM'] ?? '/usr/bin/chromium';
const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  // Letters without coloured edges: pictures are half as large, and the same on every machine.
  '--disable-lcd-text',
];
const root = join(import.meta.dirname, '../../../..');
const screenshots = join(root, '.screenshots');

/** Of docs/console-views.md, where `npm run pictures` has asked for them; small enough to be in the repository. */
const documented = process.env['COAPSULE_PICTURES'] === '1' ? join(root, 'docs/console-views') : undefined;
const documentedSize = { width: 1080, height: 760 } as const;

/** Why there is no browser; undefined where there is one. With COAPSULE_REQUIRE_PEERS=1 it must be there. */
export function noBrowser(): string | undefined {
  if (existsSync(executablePath) || process.env['COAPSULE_REQUIRE_PEERS'] === '1') return undefined;
  return `no browser at ${executablePath}: scripts/install-peers.sh installs it, COAPSULE_CHROMIUM says where it is`;
}

/** Starts it; once for a file of tests. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath, args: flags });
}

/** A page, and what was wrong with it. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors, reports and foreign requests so far. */
  readonly faults: string[];
  /** Fails if there was a fault, or if axe-core finds a serious one; and takes a picture. */
  check(name: string): Promise<void>;
  /** The picture alone. */
  picture(name: string): Promise<void>;
}

/** Opens a page with nothing remembered. */
export async function openPage(
  browser: Browser,
  { width = 1280, height = 900 }: { readonly width?: number; readonly height?: number } = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width, height }, reducedMotion: 'reduce' });
  context.setDefaultTimeout(25_000);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // What is refused is told by the browser itself, as a test may want; all else is a fault.
    const isRefusal = /Failed to load resource|net::ERR_/.test(message.text());
    if ((message.type() === 'error' || message.type() === 'warning') && !isRefusal)
      faults.push(message.text());
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:' && url.protocol !== 'blob:' && url.hostname !== '127.0.0.1') {
      faults.push(`request to ${request.url()}`);
    }
  });
  // As text: it is for the browser, whose names the types of Node do not have.
  await page.addInitScript(`addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
    console.error('policy: ' + violatedDirective + ' ' + blockedURI);
  })`);
  const picture = async (name: string): Promise<void> => {
    mkdirSync(screenshots, { recursive: true });
    const file = name.replaceAll('/', '-');
    await page.screenshot({ path: join(screenshots, `${file}-${width}.png`) });
    if (documented === undefined || width !== 1280) return;
    mkdirSync(documented, { recursive: true });
    await page.setViewportSize(documentedSize);
    await page.evaluate('scrollTo(0, 0)');
    writeFileSync(join(documented, `${file}.png`), smallPicture(await page.screenshot()));
    await page.setViewportSize({ width, height });
  };
  return {
    page,
    faults,
    picture,
    async check(name) {
      await page.evaluate(axe.source);
      const violations = await page.evaluate(async () => {
        const { axe: run } = globalThis as unknown as { readonly axe: typeof axe };
        const { violations: found } = await run.run();
        return found
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .map(
            ({ id, nodes }) =>
              `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`,
          );
      });
      assert.deepEqual([...faults, ...violations], [], name);
      await picture(name);
    },
  };
}
