/**
 * What an open console costs: frames a second and memory of the page of live values, with 200 devices that change ten times a second
 * each, and what it adds to the CPU of `coapsule serve`.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, encodeMessage, OptionNumber, OptionSet } from 'coapsule/message';
import { type CDPSession, chromium, type Page } from 'playwright-core';
import { report } from '../../coapsule/bench/figure.ts';
import { bound, goals } from './goals.ts';
import { MeasuredServer, onCores } from './servers.ts';

const short = process.argv.includes('--short');
const devices = 200;
const updatesPerSecond = 10;
const seconds = short ? 3 : 15;
const executablePath = process.env['COAPSULE_CHROMIUM'] ?? '/usr/bin/chromium';
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'];
const main = join(import.meta.dirname, '../src/cli/main.ts');

async function measure(): Promise<void> {
  execFileSync(process.execPath, [join(import.meta.dirname, '../scripts/build-console.js'), '--if-older']);
  const folder = mkdtempSync(join(tmpdir(), 'coapsule-bench-'));
  const { server, link } = await gateway(folder);
  const load = new Load(server.port);
  const browser = await chromium.launch({ executablePath, args: flags });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(link);
    await page.getByRole('button', { name: /^Log out/ }).waitFor();
    await page.goto('about:blank');
    // What the first readings load and compile is none of the cost.
    await sleep(2000);
    const without = await cpuShare(server);
    await page.goto(new URL('/console/live', link).href);
    await page
      .getByText(/\/sensors\/199$/)
      .first()
      .waitFor();
    await sleep(1000);
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    const [withPage, figures] = await Promise.all([cpuShare(server), pageFigures(page, session)]);
    await page.goto('about:blank');
    await sleep(1000);
    // Before and after, as a gateway that has run for longer needs less.
    const alone = (without + (await cpuShare(server))) / 2;
    const who = `live values of ${devices} devices at ${updatesPerSecond} a second each`;
    report({
      name: `${who}: frames`,
      value: figures.frames,
      unit: 'a second',
      ...bound(goals.consoleFrames),
    });
    report({
      name: `${who}: memory of the page`,
      value: figures.heapBytes / 1e6,
      unit: 'MB',
      ...bound(goals.consoleMegabytes),
    });
    report({ name: `${who}: CPU of the gateway, nobody looks`, value: alone, unit: '% of a core' });
    report({
      name: `${who}: CPU of the gateway, more for one open console`,
      value: Math.max(0, withPage - alone),
      unit: '% of a core',
      ...bound(goals.consoleCpuPercent),
    });
  } finally {
    load.stop();
    await browser.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** CPU of the gateway over the time of a measurement. */
async function cpuShare(server: MeasuredServer): Promise<number> {
  const [cpu, begin] = [server.cpuMicroseconds(), performance.now()];
  await sleep(seconds * 1000);
  return (server.cpuMicroseconds() - cpu) / (performance.now() - begin) / 10;
}

async function pageFigures(
  page: Page,
  session: CDPSession,
): Promise<{ readonly frames: number; readonly heapBytes: number }> {
  let heapBytes = 0;
  const sample = async (): Promise<void> => {
    const { metrics } = await session.send('Performance.getMetrics');
    heapBytes = Math.max(heapBytes, metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0);
  };
  const sampling = setInterval(() => void sample(), 500);
  // As text: it is for the browser.
  const frames = (await page.evaluate(`new Promise((resolve) => {
    const begin = performance.now();
    let count = 0;
    const frame = (now) => {
      count++;
      if (now - begin < ${seconds * 1000}) requestAnimationFrame(frame);
      else resolve((count * 1000) / (now - begin));
    };
    requestAnimationFrame(frame);
  })`)) as number;
  clearInterval(sampling);
  await sample();
  return { frames, heapBytes };
}

/** Readings of all devices, Non-confirmable, in even steps; of 20 ports, as a server keeps Message IDs of each. */
class Load {
  readonly #sockets: readonly Socket[] = Array.from({ length: 20 }, () => createSocket('udp4'));
  readonly #timer: NodeJS.Timeout;
  readonly #port: number;
  #sent = 0;

  constructor(port: number) {
    this.#port = port;
    const begin = performance.now();
    this.#timer = setInterval(() => {
      const due = ((performance.now() - begin) * devices * updatesPerSecond) / 1000;
      while (this.#sent < due) this.#send();
    }, 5);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.close();
  }

  #send(): void {
    const device = this.#sent % devices;
    const options = new OptionSet();
    options.add(OptionNumber.UriPath, 'sensors');
    options.add(OptionNumber.UriPath, String(device));
    options.add(OptionNumber.ContentFormat, 0);
    const message = encodeMessage({
      type: 'NON',
      code: Code.Put,
      messageId: this.#sent & 0xffff,
      token: Uint8Array.of(device),
      options,
      payload: new TextEncoder().encode((20 + (this.#sent % 97) / 10).toFixed(1)),
    });
    this.#sockets[device % this.#sockets.length]?.send(message, this.#port, '127.0.0.1');
    this.#sent++;
  }
}

async function gateway(data: string): Promise<{ readonly server: MeasuredServer; readonly link: string }> {
  const options = [
    ...['--coap', '127.0.0.1:0', '--coaps', 'off', '--http', '127.0.0.1:0', '--data', data],
    '--dangerously-allow-plain-writes',
  ];
  const node = [process.execPath, '--conditions=@coapsule/source', main, 'serve', ...options];
  const [program = '', ...args] = onCores('0', node);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const lines = createInterface({ input: child.stdout });
  const linked = new Promise<string>((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      const [found] = /http:\/\/\S+\/console\/login#\S+/.exec(line) ?? [];
      if (found !== undefined) resolve(found);
    });
  });
  const [line] = (await once(lines, 'line')) as [string];
  const { coap } = JSON.parse(line.slice('ready '.length)) as { coap: string };
  const port = Number(coap.split(':').at(-1));
  const server = new MeasuredServer('coapsule serve', port, { kind: 'plain' }, '0', child, lines);
  return { server, link: await linked };
}

if (existsSync(executablePath)) await measure();
else report({ name: 'console, without a browser: nothing is measured', value: 0, unit: 'frames' });
