/**
 * `--session FILE`: the association of a verb, taken from a file and left in it for the next process.
 *
 * Whatever happens to this process, the file names sequence numbers that it has not used (session-file.ts).
 *
 * @module
 */

import { readFileSync, statSync } from 'node:fs';
import { parseCoapUri } from 'coapsule/message';
import type { ClientCommandOptions } from './client-command-options.ts';
import type { ChosenCredentials } from './client-credentials.ts';
import type { CommandClient } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { SessionFile, type SessionSecret } from './session-file.ts';
import type { TargetUri } from './target-uri.ts';

const leastKeyFileBytes = 16;

/** The session of one run of a verb. */
export class KeptSession {
  readonly #uri: TargetUri;
  readonly #path: string;
  readonly #file: SessionFile;
  readonly #warn: (text: string) => void;
  #isResumed = false;

  /**
   * Opens the session that the options name, if they do.
   *
   * @throws CommandFailure when another process uses it, it is no session file, or nothing can seal it.
   */
  static open(
    uri: TargetUri,
    options: ClientCommandOptions,
    credentials: ChosenCredentials,
    warn: (text: string) => void,
  ): KeptSession | undefined {
    const { session, sessionKey, sni } = options;
    if (session === undefined) {
      if (sessionKey === undefined) return undefined;
      throw new CommandFailure(
        ExitCode.Usage,
        '--session-key seals a session, and there is none',
        'name it with --session FILE',
      );
    }
    if (uri.scheme !== 'coaps') {
      throw new CommandFailure(
        ExitCode.Usage,
        '--session keeps a DTLS association, and coap has none',
        'write coaps://, or leave --session out',
      );
    }
    const secret = sessionKey === undefined ? credentialSecret(credentials) : keyFileSecret(sessionKey, warn);
    const file = new SessionFile(session, secret, serverName(uri, sni));
    return new KeptSession(uri, session, file, warn);
  }

  private constructor(uri: TargetUri, path: string, file: SessionFile, warn: (text: string) => void) {
    this.#uri = uri;
    this.#path = path;
    this.#file = file;
    this.#warn = warn;
  }

  /** For the library's `keepAssociation`. */
  readonly keep = (state: Uint8Array | undefined): void => {
    if (state === undefined) this.#file.remove();
    else this.#file.write(state);
  };

  /** Gives the client the association of the last process; without one it makes a handshake. */
  async resume(client: CommandClient): Promise<void> {
    const content = this.#file.read();
    if (content.kind === 'none') return;
    if (content.kind === 'unreadable') {
      this.#warn(`${this.#path}: ${content.why}; a new handshake replaces it`);
      return;
    }
    try {
      await client.importAssociation(this.#uri.text, content.state);
      this.#isResumed = true;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ERR_ASSOCIATION_STATE') throw error;
      this.#warn(`${this.#path}: ${(error as Error).message}; a new handshake replaces it`);
    }
  }

  /** Leaves the association, with exact values, for the next process. */
  async leave(client: CommandClient): Promise<void> {
    const state = await client.exportAssociation(this.#uri.text);
    if (state !== undefined) this.#file.write(state);
  }

  /** There was no answer: a server that has lost the association never gives one. */
  giveUp(): void {
    if (!this.#isResumed) return;
    this.#warn(`${this.#path}: the server did not answer; next time there will be a new handshake`);
  }

  close(): void {
    this.#file.close();
  }
}

/** One session is for one server under one name. */
function serverName(uri: TargetUri, sni: string | undefined): string {
  const parsed = parseCoapUri(uri.text);
  const host = 'host' in parsed ? parsed.host : uri.text;
  return `coaps://${host}:${uri.port}${sni === undefined ? '' : ` as ${sni}`}`;
}

function credentialSecret({ psk, certificate, rawPublicKey }: ChosenCredentials): SessionSecret {
  const own = typeof psk === 'object' ? psk.key : (certificate ?? rawPublicKey)?.privateKey;
  const bytes = typeof own === 'string' ? new TextEncoder().encode(own) : own;
  if (bytes instanceof Uint8Array) return { source: 'credential', bytes };
  throw new CommandFailure(
    ExitCode.Usage,
    'there is no own credential that the session could be sealed with',
    'name a file with at least 16 random bytes with --session-key FILE',
  );
}

function keyFileSecret(path: string, warn: (text: string) => void): SessionSecret {
  const bytes = new Uint8Array(readFileSync(path));
  if (bytes.length < leastKeyFileBytes) {
    throw new CommandFailure(
      ExitCode.Usage,
      `${path} has ${bytes.length} bytes; a session key has at least ${leastKeyFileBytes}`,
      `make one with: head -c 32 /dev/urandom > ${path}`,
    );
  }
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
    warn(`${path} can be read by others: chmod 600 ${path}`);
  }
  return { source: 'key-file', bytes };
}
