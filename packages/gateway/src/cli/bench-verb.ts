/**
 * The verb bench: what is asked and by whom, from the options; then the load, then the report.
 *
 * One request by the library goes before: what is wrong with URI or credentials is told as every verb tells it, and nothing
 * is loaded then.
 *
 * @module
 */

import type { ClientOptions, OscoreContext, PeerAddress, RequestOptions } from 'coapsule';
import {
  codeOfMethod,
  codeText,
  contentFormatOf,
  defaultTransmissionParameters,
  isDecodeFault,
  type Method,
  OptionNumber,
  parseCoapUri,
  uriOptions,
} from 'coapsule/message';
import { DatagramClient, freePort } from '../load/datagram-client.ts';
import { LibraryClient } from '../load/library-client.ts';
import type { LoadClient, LoadEvents, LoadTraffic, OpenLoadClient } from '../load/load-client.ts';
import { LoadRun } from '../load/load-run.ts';
import type { LoadRequest } from '../load/request-template.ts';
import { type BenchResult, benchJson, benchText } from './bench-report.ts';
import { handshakeOptionsOf, type RequestCommandOptions } from './client-command-options.ts';
import { chooseCredentials, oscoreEnd } from './client-credentials.ts';
import type { CommandClient, CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode, exitCodeOfResponse } from './exit-code.ts';
import { requestOptionsOf } from './request-options.ts';
import { expectOneServer, type TargetUri, targetUri } from './target-uri.ts';
import { showTime } from './time-progress.ts';
import { warningsTo } from './warnings.ts';

/** Options of the verb. */
export interface BenchOptions
  extends Pick<
      RequestCommandOptions,
      'non' | 'payload' | 'file' | 'contentFormat' | 'accept' | 'option' | 'json'
    >,
    Pick<RequestCommandOptions, 'oscore' | 'cid' | 'sni' | 'suite' | 'ems'> {
  readonly clients: number;
  readonly seconds: number;
  readonly warmUp: number;
  readonly rate?: number;
  readonly connect: number;
  readonly method: string;
  readonly timeout: number;
}

/** Largest payload of one message (RFC 7252 §4.6); more would have to go in blocks. */
const maxPayload = 1024;

/** Loads a server and reports. */
export async function runBench(
  uriText: string,
  options: BenchOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const uri = targetUri(uriText, environment.variables);
  expectOneServer(uri, 'a load is for one server');
  if (uri.line !== undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      'a serial line has room for one client',
      'measure it with "coapsule get"; -v tells how the line fares',
    );
  }
  const warn = warningsTo(environment);
  const method = options.method.toUpperCase() as Method;
  const asked = await requestOptionsOf(options, environment);
  const payload = bytesOf(asked.payload);
  if (payload.length > maxPayload) {
    throw new CommandFailure(
      ExitCode.Usage,
      `the payload has ${payload.length} bytes, and each request of a load is one message`,
      `give at most ${maxPayload} bytes`,
    );
  }
  const clientOptions: ClientOptions = {
    ...chooseCredentials(uri, options, warn),
    ...handshakeOptionsOf(options),
  };
  const oscore = await openOscore(uri, options, warn);
  const abort = new AbortController();
  const forget = environment.onInterrupt(() => abort.abort());
  let endProgress = (): void => {};
  try {
    const all: ClientOptions = { ...clientOptions, ...(oscore !== undefined && { oscore }) };
    const first = await firstRequest(method, uri, all, asked, environment, abort.signal);
    if (!first.ok) warn(`the server answers ${first.codeText}: that is what is measured`);
    const traffic: LoadTraffic = { sentBytes: 0, receivedBytes: 0, strays: 0 };
    const isFast = oscore === undefined && (uri.scheme === 'coap' || uri.scheme === 'coaps');
    const open = isFast
      ? datagramClients(uri, all, first.server, loadRequest(method, uri, asked, payload), {
          environment,
          traffic,
        })
      : libraryClients(method, uri, all, asked, environment);
    const run = new LoadRun(
      {
        clients: options.clients,
        seconds: options.seconds,
        warmUpSeconds: options.warmUp,
        rate: options.rate,
        timeoutMs: options.timeout * 1000,
        repeatAfterMs: options.non === true ? undefined : defaultTransmissionParameters.ackTimeoutMs,
        openAtOnce: options.connect,
      },
      open,
    );
    endProgress = showTime(environment, options.warmUp + options.seconds, `${options.clients} clients`);
    const load = await run.run(abort.signal);
    endProgress();
    const result: BenchResult = {
      uri: uri.text,
      method,
      clients: options.clients,
      confirmable: options.non !== true,
      rate: options.rate,
      generator: isFast ? 'datagrams' : 'library',
      traffic: isFast ? traffic : undefined,
      load,
    };
    environment.stdout.write(
      options.json === true ? `${JSON.stringify(benchJson(result))}\n` : benchText(result),
    );
    return exitCodeOf(result);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EMFILE') {
      throw new CommandFailure(
        ExitCode.Failure,
        `the system allows fewer open sockets than ${options.clients} clients need`,
        'raise the limit with "ulimit -n 65536", or give fewer --clients',
      );
    }
    throw error;
  } finally {
    endProgress();
    forget();
    if (oscore !== undefined) {
      const { closeKeptOscore } = await import('./kept-oscore.ts');
      await closeKeptOscore(oscore, warn);
    }
  }
}

function exitCodeOf({ load }: BenchResult): ExitCode {
  const worst = Math.max(0, ...load.codes.keys());
  return worst === 0 ? ExitCode.NoAnswer : exitCodeOfResponse(worst);
}

async function openOscore(
  uri: TargetUri,
  options: BenchOptions,
  warn: (text: string) => void,
): Promise<OscoreContext | undefined> {
  const kept = oscoreEnd(uri, options);
  if (kept === undefined) return undefined;
  const { openKeptOscore } = await import('./kept-oscore.ts');
  return openKeptOscore(kept, warn);
}

/** Whether it works at all, and where the server is. */
async function firstRequest(
  method: Method,
  uri: TargetUri,
  clientOptions: ClientOptions,
  asked: RequestOptions,
  environment: CommandEnvironment,
  signal: AbortSignal,
): Promise<{ readonly ok: boolean; readonly codeText: string; readonly server: PeerAddress }> {
  const client = await environment.createClient(clientOptions);
  try {
    const { ok, code, peer } = await client.request(method, uri.text, { ...asked, signal });
    return { ok, codeText: codeText(code), server: peer.address };
  } finally {
    await client.close();
  }
}

/** The request as one message. */
function loadRequest(
  method: Method,
  { text }: TargetUri,
  { contentFormat, accept, confirmable = true, options = [] }: RequestOptions,
  payload: Uint8Array,
): LoadRequest {
  const parsed = parseCoapUri(text);
  if (isDecodeFault(parsed)) throw new Error(`"${text}" was parsed before`);
  const set = uriOptions(parsed);
  if (contentFormat !== undefined) set.add(OptionNumber.ContentFormat, formatNumber(contentFormat));
  if (accept !== undefined) set.add(OptionNumber.Accept, formatNumber(accept));
  for (const { number, value } of options) set.add(number, value);
  return { code: codeOfMethod(method), options: set, payload, confirmable };
}

function formatNumber(format: number | string): number {
  return contentFormatOf(format) ?? 0;
}

function bytesOf(payload: RequestOptions['payload']): Uint8Array {
  if (payload === undefined) return new Uint8Array(0);
  if (payload instanceof Uint8Array) return payload;
  return new TextEncoder().encode(String(payload));
}

/** The fast clients; on coaps the handshake of each is made by a client of the library. */
function datagramClients(
  uri: TargetUri,
  options: ClientOptions,
  server: PeerAddress,
  request: LoadRequest,
  { environment, traffic }: { readonly environment: CommandEnvironment; readonly traffic: LoadTraffic },
): OpenLoadClient {
  return async (events: LoadEvents): Promise<LoadClient> => {
    if (!uri.secure) return DatagramClient.open({ server, request, events, traffic });
    const port = await freePort(server);
    const client = await environment.createClient({ ...options, bind: { port } });
    try {
      const { handshakeMs } = await client.ping(uri.text);
      const state = await exported(client, uri.text);
      await client.close();
      const config = {
        ...(options.suites !== undefined && { suites: options.suites }),
        ...(options.extendedMasterSecret !== undefined && {
          extendedMasterSecret: options.extendedMasterSecret,
        }),
        ...(options.connectionId !== undefined && { connectionIdLength: options.connectionId }),
      };
      const association = { state, config, handshakeMs };
      return await DatagramClient.open({ server, request, events, traffic, port, association });
    } finally {
      await client.close();
    }
  };
}

async function exported(client: CommandClient, uri: string): Promise<Uint8Array> {
  const state = await client.exportAssociation(uri);
  if (state !== undefined) return state;
  throw new CommandFailure(
    ExitCode.Security,
    'the server closed an association right after its handshake',
    'look at its log: it may have room for fewer clients than --clients',
  );
}

/** Clients of the library, for what the fast ones do not speak. */
function libraryClients(
  method: Method,
  uri: TargetUri,
  options: ClientOptions,
  asked: RequestOptions,
  environment: CommandEnvironment,
): OpenLoadClient {
  return async (events: LoadEvents): Promise<LoadClient> => {
    const client = await environment.createClient(options);
    try {
      // TCP and WebSocket connect, DTLS shakes hands.
      const { handshakeMs } = await client.ping(uri.text);
      return new LibraryClient(client, { method, uri: uri.text, options: asked }, events, handshakeMs);
    } catch (error) {
      await client.close();
      throw error;
    }
  };
}
