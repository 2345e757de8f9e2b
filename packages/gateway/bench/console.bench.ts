/**
 * What an open console costs: frames a second and memory of the page of live values, with 200 devices that change ten times a second
 * each, and what it adds to the CPU of `coapsule serve`.
 *
 * CPU is measured by turns on one gateway under one load: nobody looks, a console is open, something reads the same stream and throws it
 * away. The load alone varies by more between two minutes than a reader costs, so each turn is compared with those around it.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, encodeMessage, OptionNumber, OptionSet } from 'coapsule/message';
import { type Browser, chromium, type Page } from 'playwright-core';
import { report } from '../../coapsule/bench/figure.ts';
import { bound, goals } from './goals.ts';
import { MeasuredServer, onCores } from './servers.ts';

const short = process.argv.includes('--short');
const devices = 200;
const updatesPerSecond = 10;
const seconds = short ? 3 : 10;
const turns = short ? 1 : 5;
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
    const cookies = await page.context().cookies();
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    const live = (path: string): string => new URL(path, link).href;
    // What the first readings, and the first who looks, load and compile is none of the cost.
    await openLive(page, live('/console/live'));
    const figures = await pageFigures(browser, page);
    await page.goto('about:blank');
    const more: { readonly page: number[]; readonly reader: number[] } = { page: [], reader: [] };
    const alone = [await cpuShare(server)];
    for (let turn = 0; turn < turns; turn++) {
      await openLive(page, live('/console/live'));
      const withPage = await cpuShare(server);
      await page.goto('about:blank');
      const between = await cpuShare(server);
      const stop = await plainReader(live('/api/live'), cookie);
      const withReader = await cpuShare(server);
      stop();
      const after = await cpuShare(server);
      more.page.push(withPage - ((alone.at(-1) ?? 0) + between) / 2);
      more.reader.push(withReader - (between + after) / 2);
      alone.push(between, after);
    }
    const who = `live values of ${devices} devices at ${updatesPerSecond} a second each`;
    report({
      name: `${who}: frames`,
      value: figures.frames,
      unit: 'a second',
      ...bound(goals.consoleFrames),
    });
    report({
      name: `${who}: memory of the page's process (PSS)`,
      value: figures.processBytes / 1e6,
      unit: 'MB',
      ...bound(goals.consoleMegabytes),
    });
    report({ name: `${who}: JavaScript heap in it`, value: figures.heapBytes / 1e6, unit: 'MB' });
    report({ name: `${who}: CPU of the gateway, nobody looks`, value: median(alone), unit: '% of a core' });
    report({
      name: `${who}: CPU of the gateway, more for one open console`,
      value: median(more.page),
      unit: '% of a core',
      ...bound(goals.consoleCpuPercent),
    });
    report({
      name: `${who}: CPU of the gateway, more for a reader of the stream alone`,
      value: median(more.reader),
      unit: '% of a core',
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

/** Opens the page of live values, until all are there. */
async function openLive(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await page
    .getByText(new RegExp(`/sensors/${devices - 1}$`))
    .first()
    .waitFor();
  await sleep(1000);
}

/** Reads the same stream as the page, and does nothing with it. @returns what ends it. */
async function plainReader(address: string, cookie: string): Promise<() => void> {
  const request = get(address, { headers: { cookie, accept: 'text/event-stream' } });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`the stream was answered ${response.statusCode}`);
  response.resume();
  await sleep(1000);
  return () => request.destroy();
}

interface PageFigures {
  readonly frames: number;
  /** The most of what its process has for itself, and its share of what it has with others. */
  readonly processBytes: number;
  readonly heapBytes: number;
}

async function pageFigures(browser: Browser, page: Page): Promise<PageFigures> {
  const [session, whole] = [await page.context().newCDPSession(page), await browser.newBrowserCDPSession()];
  await session.send('Performance.enable');
  let [heapBytes, processBytes] = [0, 0];
  const sample = async (): Promise<void> => {
    const { metrics } = await session.send('Performance.getMetrics');
    heapBytes = Math.max(heapBytes, metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0);
    const { processInfo } = await whole.send('SystemInfo.getProcessInfo');
    for (const { type, id } of processInfo)
      if (type === 'renderer') processBytes = Math.max(processBytes, proportionalBytes(id));
  };
  let sampled = sample();
  const sampling = setInterval(() => {
    sampled = sampled.then(sample);
  }, 500);
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
  await sampled;
  await sample();
  await session.detach();
  if (processBytes === 0) throw new Error('no process of a page was found');
  return { frames, heapBytes, processBytes };
}

/** Resident bytes of a process, shared pages by their share; nothing of one that has ended. */
function proportionalBytes(id: number): number {
  try {
    const [kilobytes] = /(?<=^Pss:\s+)\d+/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, 'utf8')) ?? [];
    return 1024 * Number(kilobytes);
  } catch (error) {
    // A spare process of the browser may have ended since it was named.
    if (/ENOENT|ESRCH/.test(String(error))) return 0;
    throw error;
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const [low, high] = [sorted[(sorted.length - 1) >> 1] ?? 0, sorted[sorted.length >> 1] ?? 0];
  return (low + high) / 2;
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
