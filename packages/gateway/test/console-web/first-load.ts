/**
 * What the first load of the console takes: bytes as they are compressed, requests, and when somebody can do something with it, on the
 * phone and the network that Lighthouse reckons with.
 *
 * Counted, not timed: the machine that runs the test may be busy.
 *
 * @module
 */

import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';

/** What was loaded. */
export interface FirstLoad {
  /** Of all answers but those of the API, compressed. */
  readonly compressedBytes: number;
  readonly requests: number;
  /** How many requests come one after the other: the page, what it names, what that loads. */
  readonly depth: number;
  readonly scriptBytes: number;
  /** By the model below, in ms. */
  readonly interactiveMs: number;
}

/** What is allowed (issue: 150 kB; the others keep a phone quick). */
export const budgets = { compressedBytes: 150_000, requests: 14, interactiveMs: 2500 } as const;

/** Lighthouse's slow 4G: 150 ms there and back, 1.6 Mbit/s; and a phone that takes about a millisecond for a kB of script. */
const network = { roundTripMs: 150, bitsPerMs: 1600, scriptBytesPerMs: 1000 } as const;

/** Loads it with nothing remembered, until it answers to a key. */
export async function firstLoad(page: Page, url: string): Promise<FirstLoad> {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  const depths = new Map<string, number>();
  session.on('Network.requestWillBeSent', ({ request, initiator }) => {
    const cause = initiator.url ?? initiator.stack?.callFrames[0]?.url ?? '';
    if (!depths.has(request.url)) depths.set(request.url, 1 + (depths.get(cause) ?? 0));
  });
  let [requests, compressedBytes, scriptBytes] = [0, 0, 0];
  const bodies: Promise<void>[] = [];
  page.on('request', () => requests++);
  page.on('response', (response) => {
    const path = new URL(response.url()).pathname;
    if (path.startsWith('/api/')) return;
    bodies.push(
      response.body().then((body) => {
        compressedBytes += gzipSync(body).length;
        if (path.endsWith('.js')) scriptBytes += body.length;
      }),
    );
  });
  await page.goto(url);
  await page.locator('main h1').waitFor();
  await page.keyboard.press('Control+k');
  await page.getByRole('dialog').waitFor();
  await page.waitForLoadState('networkidle');
  await Promise.all(bodies);
  const depth = Math.max(...depths.values());
  const interactiveMs =
    depth * network.roundTripMs +
    (8 * compressedBytes) / network.bitsPerMs +
    scriptBytes / network.scriptBytesPerMs;
  return { compressedBytes, requests, depth, scriptBytes, interactiveMs };
}

/** The budgets that are exceeded, one sentence each. */
export function overBudget(load: FirstLoad): readonly string[] {
  return Object.entries(budgets).flatMap(([name, most]) => {
    const value = load[name as keyof typeof budgets];
    return value > most ? [`${name}: ${Math.round(value)} of ${most}`] : [];
  });
}
