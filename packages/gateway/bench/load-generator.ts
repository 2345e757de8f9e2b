/**
 * Loads on the servers that are measured, from core 1: by the generator in C, `native/load.c`, or by `coapsule bench`.
 *
 * @module
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type MeasuredServer, nativeProgram, onCores, secret } from './servers.ts';

/** What a load is like. */
export interface Load {
  readonly clients: number;
  readonly seconds: number;
  readonly warmUpSeconds?: number;
  readonly path?: string;
  /** Requests a second; as many as possible without it. */
  readonly rate?: number;
  /** It is PUT, as text, in the place of GET. */
  readonly payload?: string;
  /** Bodies are read block by block. */
  readonly isBlockwise?: boolean;
}

/** What it measured. Latencies in ms. */
export interface LoadFigures {
  /** Requests a second that were answered with 2.xx. */
  readonly rate: number;
  readonly failed: number;
  /** Of the server, for each request. */
  readonly cpuMicroseconds: number;
  readonly bodyBytesPerSecond: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly connect: HandshakeFigures;
}

/** What handshakes took. */
export interface HandshakeFigures {
  readonly rate: number;
  readonly lost: number;
  /** Of the server, for each handshake. */
  readonly cpuMicroseconds: number;
}

type Event = Readonly<Record<string, number>> & { readonly event: string };

/** Where a generator runs. */
function coresBeside({ cores }: MeasuredServer): '1' | '0,1' {
  return cores === '0,1' ? cores : '1';
}

/** Whether there is the generator in C. */
export function hasGenerator(): boolean {
  return generatorProgram() !== undefined;
}

function generatorProgram(): string | undefined {
  return nativeProgram('load', ['-lssl', '-lcrypto']);
}

/** Requests, by the generator in C. */
export async function load(server: MeasuredServer, load: Load): Promise<LoadFigures> {
  const { clients, seconds, warmUpSeconds = 0.3, path = 'hello', rate, isBlockwise = false } = load;
  const args = [
    ...['-t', String(seconds), '-w', String(warmUpSeconds), '-u', path],
    ...(rate === undefined ? [] : ['-r', String(rate)]),
    ...(isBlockwise ? ['-B'] : []),
    ...(load.payload === undefined ? [] : ['-p', load.payload]),
  ];
  let begin = 0;
  let connect: HandshakeFigures | undefined;
  const start = server.cpuMicroseconds();
  for await (const event of generator(server, clients, args)) {
    if (event.event === 'connected') connect = handshakeFigures(event, server.cpuMicroseconds() - start);
    if (event.event === 'begin') begin = server.cpuMicroseconds();
    if (event.event !== 'end' || connect === undefined) continue;
    const cpu = server.cpuMicroseconds() - begin;
    const { answered = 0, failed = 0, bodyBytes = 0, p50 = 0, p90 = 0, p99 = 0, p999 = 0 } = event;
    const elapsed = event['seconds'] ?? seconds;
    return {
      rate: answered / elapsed,
      failed,
      cpuMicroseconds: cpu / Math.max(1, answered),
      bodyBytesPerSecond: bodyBytes / elapsed,
      ...{ p50, p90, p99, p999 },
      connect,
    };
  }
  throw new Error(`the load on ${server.name} ended early`);
}

/** Handshakes alone, 16 at once. After its handshake a client vanishes without a word. */
export async function handshakes(server: MeasuredServer, count: number): Promise<HandshakeFigures> {
  const start = server.cpuMicroseconds();
  for await (const event of generator(server, count, ['-x', '16', '-H'])) {
    if (event.event === 'connected') return handshakeFigures(event, server.cpuMicroseconds() - start);
  }
  throw new Error(`the handshakes with ${server.name} ended early`);
}

function handshakeFigures({ clients = 0, lost = 0, seconds = 1 }: Event, cpu: number): HandshakeFigures {
  return { rate: clients / seconds, lost, cpuMicroseconds: cpu / Math.max(1, clients) };
}

/**
 * Clients with sessions until now. Each has an address and port that none had before: libcoap does not answer a ClientHello
 * from where it has a session.
 */
let clientsBefore = 0;

async function* generator(
  server: MeasuredServer,
  clients: number,
  args: readonly string[],
): AsyncGenerator<Event> {
  const native = generatorProgram();
  if (native === undefined) throw new Error('there is no generator: ask hasGenerator first');
  const { kind } = server.security;
  const places = kind === 'plain' || kind === 'oscore' ? [] : ['-A', String(clientsBefore)];
  clientsBefore += clients;
  const who = ['-n', String(clients), ...places, ...credentials(server)];
  const [program = '', ...rest] = onCores(coresBeside(server), [
    native,
    String(server.port),
    ...who,
    ...args,
  ]);
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line) as Event;
  const [code] = await closed;
  if (code !== 0) throw new Error(`the generator ended with ${code}`);
}

function credentials({ security }: MeasuredServer): readonly string[] {
  switch (security.kind) {
    case 'plain':
      return [];
    case 'psk':
      return ['-i', 'sensor-042', '-k', secret];
    case 'oscore':
      return ['-O', secret];
    case 'certificate': {
      const [own, key, authority] = ['client.pem', 'client.key', 'ca.pem'].map((file) =>
        join(security.folder, file),
      ) as [string, string, string];
      return ['-c', own, '-y', key, '-a', authority];
    }
  }
}

/** The same by `coapsule bench`, plain or with the pre-shared key. */
export async function loadByCommand(
  server: MeasuredServer,
  { clients, seconds }: Load,
): Promise<{ readonly rate: number; readonly generatorMicroseconds: number }> {
  const isSecured = server.security.kind === 'psk';
  const uri = `${isSecured ? 'coaps' : 'coap'}://127.0.0.1:${server.port}/hello`;
  const main = join(import.meta.dirname, '../src/cli/main.ts');
  const command = onCores(coresBeside(server), [
    ...[process.execPath, '--conditions=@coapsule/source', main, 'bench', uri, '--json'],
    ...['--clients', String(clients), '--seconds', String(seconds)],
    ...(isSecured ? ['-u', 'sensor-042', '-k', secret] : []),
  ]);
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await once(child, 'close');
  const { rate, generator } = JSON.parse(text) as {
    rate: number;
    generator: { cpuMicrosecondsPerRequest: number };
  };
  return { rate, generatorMicroseconds: generator.cpuMicrosecondsPerRequest };
}
