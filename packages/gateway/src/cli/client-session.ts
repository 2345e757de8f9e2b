/**
 * A client as the options of a verb want it: credentials, key log, capture, trace.
 *
 * @module
 */

import { closeSync, openSync, writeSync } from 'node:fs';
import type { ClientOptions, PskCredential } from 'coapsule';
import { CaptureFile } from './capture-file.ts';
import type { ClientCommandOptions } from './client-command-options.ts';
import type { CommandClient, CommandEnvironment } from './command-environment.ts';
import { choosePsk } from './psk-choice.ts';
import type { TargetUri } from './target-uri.ts';
import { traceRenderer } from './trace-renderer.ts';

/** A client and the files that go with it. */
export interface ClientSession {
  readonly client: CommandClient;
  /** Closes all; associations get their close_notify. */
  close(): Promise<void>;
}

/** What `coapsule client` needs beyond the options of the verbs. */
export interface SessionExtras {
  readonly psk?: ClientOptions['psk'];
  readonly bind?: { readonly host?: string; readonly port?: number };
  readonly trace?: ClientOptions['trace'];
}

/** Opens the files, then the client. Throws when credentials or a file cannot be used. */
export async function openSession(
  uri: TargetUri,
  options: ClientCommandOptions & { readonly blockSize?: number },
  environment: CommandEnvironment,
  extras: SessionExtras = {},
): Promise<ClientSession> {
  const warn = (text: string): void => environment.stderr.write(`coapsule: warning: ${text}\n`);
  const psk: PskCredential | ClientOptions['psk'] = extras.psk ?? choosePsk(uri, options, warn);
  const closers: (() => void)[] = [];
  const closeFiles = (): void => {
    for (const close of closers.splice(0)) close();
  };
  try {
    const { SSLKEYLOGFILE } = environment.variables;
    const keylogPath = options.keylog ?? nonEmpty(SSLKEYLOGFILE);
    const keylog = keylogPath === undefined ? undefined : openSync(keylogPath, 'a', 0o600);
    if (keylog !== undefined) closers.push(() => closeSync(keylog));
    const capture = options.write === undefined ? undefined : new CaptureFile(options.write);
    if (capture !== undefined) closers.push(() => capture.close());
    const trace =
      extras.trace ?? traceRenderer(options.verbose ?? 0, (line) => environment.stderr.write(`${line}\n`));

    const client = await environment.createClient({
      ...(psk !== undefined && { psk }),
      ...((keylog !== undefined || capture !== undefined) && {
        keylog: (line: string): void => {
          if (keylog !== undefined) writeSync(keylog, `${line}\n`);
          capture?.secrets(line);
        },
      }),
      ...(capture !== undefined && { capture: (datagram) => capture.datagram(datagram) }),
      ...(trace !== undefined && { trace }),
      ...(extras.bind !== undefined && { bind: extras.bind }),
      ...(options.sni !== undefined && { serverName: options.sni }),
      ...(options.suite !== undefined && { suites: options.suite }),
      ...(options.ems === false && { extendedMasterSecret: 'preferred' as const }),
      ...(options.mtu !== undefined && { mtu: options.mtu }),
      ...(options.loss !== undefined && { lossRate: options.loss }),
      ...(options.blockSize !== undefined && { blockSize: options.blockSize }),
    });
    return {
      client,
      async close() {
        try {
          await client.close();
        } finally {
          closeFiles();
        }
      },
    };
  } catch (error) {
    closeFiles();
    throw error;
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
