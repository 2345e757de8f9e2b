/**
 * An environment for commands that records what they write, and a client that answers from a script.
 *
 * @module
 */

import type {
  ClientOptions,
  DiscoveredDevice,
  MulticastResponses,
  Observation,
  RequestOptions,
  Response,
  TraceEvent,
} from 'coapsule';
import { type Code, codeText, isSuccessCode, OptionNumber, OptionSet } from 'coapsule/message';
import type { CommandClient, CommandEnvironment } from '../../src/cli/command-environment.ts';
import { runCommandLine } from '../../src/cli/command-line.ts';

/** What a scripted request does. */
type Answer = Response | Error;

/** A response with the given code and options. */
export function response(
  code: Code,
  payload: string | Uint8Array = '',
  options: OptionSet = new OptionSet(),
): Response {
  const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
  return {
    code,
    codeText: codeText(code),
    ok: isSuccessCode(code),
    silent: false,
    options,
    payload: bytes,
    text: () => new TextDecoder().decode(bytes),
    locationQuery: options.texts(OptionNumber.LocationQuery),
    problem: undefined,
    diagnostic: undefined,
    contentFormat: options.uint(OptionNumber.ContentFormat),
    maxAgeSeconds: options.uint(OptionNumber.MaxAge) ?? 60,
    etag: options.first(OptionNumber.ETag),
    observe: options.uint(OptionNumber.Observe),
    locationPath: options.has(OptionNumber.LocationPath)
      ? `/${options.texts(OptionNumber.LocationPath).join('/')}`
      : undefined,
    peer: {
      address: { key: '[::1]:5683', host: '::1', port: 5683 },
      transport: 'udp',
      security: { kind: 'none' },
    },
    size: undefined,
    block: undefined,
    handshakeMs: undefined,
    fromCache: false,
    roundTripMs: 1.5,
  } as Response;
}

/** An error as the library rejects with. */
export function libraryError(code: string, message: string, more: object = {}): Error {
  return Object.assign(new Error(message), { code, nextStep: 'library hint', ...more });
}

/** What happened in one run. */
export interface Run {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly requests: readonly {
    readonly method: string;
    readonly uri: string;
    readonly options: RequestOptions;
  }[];
  readonly clientOptions: ClientOptions | undefined;
  readonly closed: boolean;
  readonly cancelled: boolean;
  /** Delays that were asked for. */
  readonly delays: readonly number[];
}

/** What surrounds a run. */
export interface Surroundings {
  readonly answers?: readonly Answer[];
  readonly input?: string | Uint8Array;
  readonly isTerminal?: boolean;
  readonly variables?: Readonly<Record<string, string>>;
  /** An observation interrupts (`interrupt`), or lets its time run out (`elapse`), after its last answer. */
  /** Given to the client's trace when it is made. */
  readonly trace?: readonly TraceEvent[];
  readonly afterLast?: 'interrupt' | 'elapse';
  /** What a discovery by multicast finds. */
  readonly devices?: readonly DiscoveredDevice[];
}

function inputOf({ input = '' }: Surroundings): Uint8Array {
  return typeof input === 'string' ? new TextEncoder().encode(input) : input;
}

/** Runs a command line; nothing of it touches network, time or the real streams. */
export async function run(args: readonly string[], surroundings: Surroundings = {}): Promise<Run> {
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  const requests: Run['requests'][number][] = [];
  const delays: number[] = [];
  const interrupts = new Set<() => void>();
  const timers: (() => void)[] = [];
  const answers = [...(surroundings.answers ?? [])];
  let clientOptions: ClientOptions | undefined;
  let closed = false;
  let cancelled = false;
  const record = (into: Uint8Array[]) => ({
    isTerminal: surroundings.isTerminal ?? false,
    write: (data: Uint8Array | string): void => {
      into.push(typeof data === 'string' ? new TextEncoder().encode(data) : Uint8Array.from(data));
    },
  });
  const next = (): Response => {
    const answer = answers.shift();
    if (answer === undefined) throw new Error('the script has no more answers');
    if (answer instanceof Error) throw answer;
    return answer;
  };

  const client = {
    async request(method: string, uri: string, options: RequestOptions) {
      requests.push({ method, uri, options });
      return next();
    },
    async stream(method: string, uri: string, options: RequestOptions) {
      requests.push({ method, uri, options });
      const response = next();
      const { payload } = response;
      const half = payload.length >> 1;
      return { ...response, body: ReadableStream.from([payload.subarray(0, half), payload.subarray(half)]) };
    },
    async ping() {
      next();
      return { roundTripMs: 1.5, handshakeMs: 20 };
    },
    observe(uri: string, options: RequestOptions) {
      requests.push({ method: 'OBSERVE', uri, options });
      return {
        async *[Symbol.asyncIterator]() {
          while (answers.length > 0 && !cancelled) yield next();
          if (surroundings.afterLast === 'interrupt') for (const listener of interrupts) listener();
          if (surroundings.afterLast === 'elapse') for (const timer of timers.splice(0)) timer();
        },
        async cancel() {
          cancelled = true;
        },
      } as unknown as Observation;
    },
    multicast(method: string, uri: string, options: RequestOptions) {
      requests.push({ method: `MULTICAST ${method}`, uri, options });
      return {
        async *[Symbol.asyncIterator]() {
          while (answers.length > 0 && !cancelled) yield next();
          if (surroundings.afterLast === 'interrupt') for (const listener of interrupts) listener();
          if (surroundings.afterLast === 'elapse') for (const timer of timers.splice(0)) timer();
        },
        cancel() {
          cancelled = true;
        },
      } as unknown as MulticastResponses;
    },
    async discoverDevices(uri: string, options: RequestOptions) {
      requests.push({ method: 'DISCOVER', uri, options });
      return surroundings.devices ?? [];
    },
    async close() {
      closed = true;
    },
  };

  const environment: CommandEnvironment = {
    stdout: record(stdout),
    stderr: record(stderr),
    variables: surroundings.variables ?? {},
    standardInput: async function* () {
      yield inputOf(surroundings);
    },
    readStandardInput: async () => inputOf(surroundings),
    createClient: async (options) => {
      clientOptions = options;
      for (const event of surroundings.trace ?? []) options.trace?.(event);
      return client as unknown as CommandClient;
    },
    onInterrupt: (listener) => {
      interrupts.add(listener);
      return () => interrupts.delete(listener);
    },
    after: (delayMs, action) => {
      delays.push(delayMs);
      if (delayMs === 1000 && args[0] === 'client')
        queueMicrotask(action); // the pause of -G
      else timers.push(action);
      return () => {};
    },
    randomBytes: (length) => Uint8Array.from({ length }, (_, index) => index + 1),
    wallTimeMs: () => 0,
  };
  const exitCode = await runCommandLine(args, environment);
  const text = (parts: readonly Uint8Array[]): string => Buffer.concat(parts).toString();
  return {
    exitCode,
    stdout: text(stdout),
    stderr: text(stderr),
    requests,
    clientOptions,
    closed,
    cancelled,
    delays,
  };
}
