/**
 * A client as the options of a verb want it: credentials, key log, capture, trace.
 *
 * @module
 */

import { closeSync, writeSync } from 'node:fs';
import type { CapturedDatagram, ClientOptions, OscoreContext, TraceEvent } from 'coapsule';
import { BlockProgress } from './block-progress.ts';
import { CaptureFile } from './capture-file.ts';
import { type ClientCommandOptions, handshakeOptionsOf } from './client-command-options.ts';
import { type ChosenCredentials, chooseCredentials, oscoreEnd } from './client-credentials.ts';
import type { CommandClient, CommandEnvironment } from './command-environment.ts';
import { CommandFailure, reportOf } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { HandshakeProgress } from './handshake-progress.ts';
import type { KeptOscore } from './kept-oscore.ts';
import { KeptSession } from './kept-session.ts';
import { lineEventText, lineStatusText } from './line-report.ts';
import type { OscoreLog } from './oscore-log.ts';
import { openSecretFile } from './secret-file.ts';
import { type TargetUri, targetUri } from './target-uri.ts';
import { traceRenderer } from './trace-renderer.ts';
import { warningsTo } from './warnings.ts';

/** What `coapsule client` needs beyond the options of the verbs. */
export interface SessionExtras {
  readonly credentials?: ChosenCredentials;
  readonly bind?: { readonly host?: string; readonly port?: number };
  readonly trace?: ClientOptions['trace'];
  readonly oscore?: KeptOscore;
  readonly clientOptions?: Pick<ClientOptions, 'maxMessageSize' | 'maxTokenLength' | 'keepAliveMs'>;
  /** Names the target to the proxy by Proxy-Scheme and Uri-* options. */
  readonly proxyScheme?: boolean;
  /** Whoever uses the client tells by itself how far it came. */
  readonly ownProgress?: boolean;
}

/**
 * Opens the files, then the client, lets `use` work with it, and closes all again: associations get their
 * close_notify. Throws when credentials or a file cannot be used, and what `use` throws.
 */
export async function withClient<Result>(
  uri: TargetUri,
  options: ClientCommandOptions & { readonly blockSize?: number },
  environment: CommandEnvironment,
  use: (client: CommandClient) => Promise<Result>,
  extras: SessionExtras = {},
): Promise<Result> {
  if (options.proxy === undefined) return withClientTo(uri, uri, options, environment, use, extras);
  const proxy = targetUri(options.proxy, environment.variables);
  if (/[/?]/.test(proxy.text.slice(proxy.text.indexOf('://') + 3).replace(/\/$/, ''))) {
    throw new CommandFailure(
      ExitCode.Usage,
      '-P names a proxy by scheme, host and port alone',
      'leave out its path',
    );
  }
  if (uri.secure && !proxy.secure) {
    throw new CommandFailure(
      ExitCode.Security,
      `${uri.text} is secured, and the way to the proxy ${proxy.text} is not`,
      'use a coaps proxy: what you send would be open on its way there',
    );
  }
  return withClientTo(proxy, uri, options, environment, use, extras);
}

/** `uri`: who is spoken to; `end`: whom requests are for, which OSCORE is about. */
async function withClientTo<Result>(
  uri: TargetUri,
  end: TargetUri,
  options: ClientCommandOptions & { readonly blockSize?: number },
  environment: CommandEnvironment,
  use: (client: CommandClient) => Promise<Result>,
  extras: SessionExtras,
): Promise<Result> {
  expectFitting(uri, options);
  const warn = warningsTo(environment);
  const carrier = uri.scheme.endsWith('+tcp') ? '+tcp' : '';
  const other = uri.secure
    ? { scheme: `coap${carrier}`, port: 5683 }
    : { scheme: `coaps${carrier}`, port: 5684 };
  const isPortOfOther = uri.port === other.port && !uri.scheme.endsWith('+ws') && uri.line === undefined;
  if (isPortOfOther) warn(`port ${uri.port} is usually the one of ${other.scheme}`);
  const credentials = extras.credentials ?? chooseCredentials(uri, options, warn);
  const progress =
    uri.scheme === 'coaps' || uri.scheme === 'coaps+serial' ? new HandshakeProgress() : undefined;
  const print =
    extras.trace ??
    traceRenderer(options.verbose ?? 0, (line) => environment.stderr.write(`${line}\n`), options.session);
  const blocks = new BlockProgress(environment);
  const isQuiet = (options.verbose ?? 0) === 0 && extras.trace === undefined;
  const isWatched = blocks.isShown && isQuiet && extras.ownProgress !== true;
  const watched = isWatched ? blocks : undefined;
  const secrets = openSecrets(options, environment);
  let session: KeptSession | undefined;
  let oscore: OscoreContext | undefined;
  try {
    session = KeptSession.open(uri, options, credentials, warn);
    const kept = extras.oscore ?? oscoreEnd(end, options);
    if (kept !== undefined) {
      const { openKeptOscore } = await import('./kept-oscore.ts');
      oscore = await openKeptOscore(kept, warn, await oscoreLogOf(options, warn));
    }
    const client = await environment.createClient({
      ...credentials,
      ...(oscore !== undefined && { oscore }),
      ...(session !== undefined && { keepAssociation: session.keep }),
      ...(secrets.keylog !== undefined && { keylog: secrets.keylog }),
      ...(secrets.capture !== undefined && { capture: secrets.capture }),
      ...((progress !== undefined || print !== undefined || watched !== undefined) && {
        trace: (event: TraceEvent): void => {
          progress?.event(event);
          session?.event(event);
          print?.(event);
          watched?.event(event);
        },
      }),
      ...(extras.bind !== undefined && { bind: extras.bind }),
      ...(options.proxy !== undefined && {
        proxy: {
          uri: options.proxy.replace(/\/$/, ''),
          ...(extras.proxyScheme === true && { form: 'Proxy-Scheme' as const }),
        },
      }),
      ...extras.clientOptions,
      ...handshakeOptionsOf(options),
      ...(uri.line === undefined
        ? options.mtu !== undefined && { mtu: options.mtu }
        : { serial: serialOptions(options, environment) }),
      ...(options.loss !== undefined && { lossRate: options.loss }),
      ...(options.blockSize !== undefined && { blockSize: options.blockSize }),
    });
    try {
      await session?.resume(client);
      const result = await use(client);
      await session?.leave(client);
      return result;
    } catch (error) {
      await session?.leaveFailed(client, error);
      const explained = progress?.explain(error) ?? error;
      if (!isPortOfOther || reportOf(explained).exitCode !== ExitCode.NoAnswer) throw explained;
      const nextStep = `port ${uri.port} is usually the one of ${other.scheme}: write ${other.scheme}://, or leave the port out`;
      throw Object.assign(explained as Error, { nextStep });
    } finally {
      watched?.end();
      if (uri.line !== undefined && (options.verbose ?? 0) >= 1) {
        for (const line of await client.lines()) environment.stderr.write(`${lineStatusText(line)}\n`);
      }
      await client.close();
    }
  } finally {
    secrets.close();
    session?.close();
    if (oscore !== undefined) {
      const { closeKeptOscore } = await import('./kept-oscore.ts');
      await closeKeptOscore(oscore, warn);
    }
  }
}

async function oscoreLogOf(
  { dangerouslyLogOscore: path }: ClientCommandOptions,
  warn: (text: string) => void,
): Promise<OscoreLog | undefined> {
  if (path === undefined) return undefined;
  const { OscoreLog } = await import('./oscore-log.ts');
  return new OscoreLog(path, warn);
}

/** Refuses what the transport does not have, before a file is opened. */
function expectFitting({ scheme, line }: TargetUri, { write, loss, framing }: ClientCommandOptions): void {
  if (framing !== undefined && line === undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      `--framing is for serial lines, and ${scheme} has none`,
      'leave it out, or write coap+serial:// or coaps+serial://',
    );
  }
  const isStream = scheme.includes('+tcp') || scheme.includes('+ws');
  if (isStream && loss !== undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      `--loss drops datagrams, and ${scheme} has none`,
      'leave it out: a connection loses nothing',
    );
  }
  if (isStream && scheme !== 'coap+tcp' && write !== undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      `-w writes datagrams and the stream of coap+tcp, not ${scheme}`,
      '-vvv shows the messages; tcpdump captures them, and --keylog opens its file',
    );
  }
}

/** How the line is used, and who is told what happens on it. */
function serialOptions(
  { framing, mtu, verbose = 0 }: ClientCommandOptions,
  { stderr }: CommandEnvironment,
): NonNullable<ClientOptions['serial']> {
  return {
    ...(framing !== undefined && { framing }),
    // The same proportion as the usual 1024 of 2048.
    ...(mtu !== undefined && { mtu, bufferBytes: Math.max(2048, 2 * mtu) }),
    onEvent(event) {
      const text = lineEventText(event, verbose);
      if (text !== undefined) stderr.write(`${text}\n`);
    },
  };
}

/** Files that get secrets and datagrams. */
export interface Secrets {
  readonly keylog: ((line: string) => void) | undefined;
  readonly capture: ((datagram: CapturedDatagram) => void) | undefined;
  close(): void;
}

/** The files of `--keylog` (or `SSLKEYLOGFILE`) and `-w`; the capture gets the secrets too. */
export function openSecrets(
  options: Pick<ClientCommandOptions, 'keylog' | 'write'>,
  { variables }: CommandEnvironment,
): Secrets {
  const { SSLKEYLOGFILE = '' } = variables;
  const path = options.keylog ?? (SSLKEYLOGFILE === '' ? undefined : SSLKEYLOGFILE);
  const file = path === undefined ? undefined : openSecretFile(path, 'a');
  const closeFile = (): void => {
    if (file !== undefined) closeSync(file);
  };
  let capture: CaptureFile | undefined;
  try {
    capture = options.write === undefined ? undefined : new CaptureFile(options.write);
  } catch (error) {
    closeFile();
    throw error;
  }
  const keylog = (line: string): void => {
    if (file !== undefined) writeSync(file, `${line}\n`);
    capture?.secrets(line);
  };
  return {
    keylog: file === undefined && capture === undefined ? undefined : keylog,
    capture: capture === undefined ? undefined : (datagram) => capture.datagram(datagram),
    close() {
      closeFile();
      capture?.close();
    },
  };
}
