/**
 * `--session FILE`: the association of a verb, taken from a file and left in it for the next process.
 *
 * Whatever happens to this process, the file names sequence numbers that it has not used (session-file.ts).
 *
 * @module
 */

import { readFileSync, statSync } from 'node:fs';
import type { TraceEvent } from 'coapsule';
import { parseCoapUri, serialLineUri } from 'coapsule/message';
import type { ClientCommandOptions } from './client-command-options.ts';
import type { ChosenCredentials } from './client-credentials.ts';
import type { CommandClient } from './command-environment.ts';
import { CommandFailure, reportOf } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { SessionFile, type SessionSecret } from './session-file.ts';
import type { TargetUri } from './target-uri.ts';

const leastKeyFileBytes = 16;

/** After so many runs in a row without any answer the server has most likely lost the association. */
const mostUnanswered = 3;

/** Why an association ends when the server says so, in a record that it has protected. */
const byPeer: ReadonlySet<string> = new Set(['close-notify', 'alert', 'replaced']);

/** The session of one run of a verb. */
export class KeptSession {
  readonly #uri: TargetUri;
  readonly #path: string;
  readonly #file: SessionFile;
  readonly #warn: (text: string) => void;
  #isResumed = false;
  /** Whether anything came back on the association, or a handshake was made. */
  #isHeard = false;
  /** It ended before anything came back. */
  #isOver = false;
  /** Runs before this one. */
  #unanswered = 0;
  /** What is in the file by now. */
  #latest: { readonly state: Uint8Array; readonly unanswered: number } | undefined;

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
    if (uri.scheme !== 'coaps' && uri.scheme !== 'coaps+serial') {
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
    if (state !== undefined) this.#write(state, this.#isUnanswered);
    else if (this.#isUnanswered) this.#isOver = true;
    else this.#file.remove();
  };

  /** Takes one event of the trace: does the server still have the association? */
  event(event: TraceEvent): void {
    if (event.kind === 'closed' && byPeer.has(event.reason)) {
      this.#isHeard = true;
      if (this.#isOver) this.#file.remove();
    }
    const isHandshake = event.kind === 'connected' && event.imported !== true;
    if (!isHandshake && !(event.kind === 'message' && event.direction === 'received')) return;
    this.#isHeard = true;
    // Processes that are killed after an answer do not count as unanswered; the usual run is spared this write.
    if (this.#latest === undefined || this.#latest.unanswered < 2) return;
    try {
      this.#write(this.#latest.state, false);
    } catch {
      // At worst there is a handshake that was not needed.
    }
  }

  /** Gives the client the association of the last process; without one it makes a handshake. */
  async resume(client: CommandClient): Promise<void> {
    const content = this.#file.read();
    if (content.kind === 'none') return;
    if (content.kind === 'unreadable') {
      this.#warn(`${this.#path}: ${content.why}; a new handshake replaces it`);
      return;
    }
    if (content.unanswered >= mostUnanswered) {
      this.#warn(
        `${this.#path}: the server did not answer in ${content.unanswered} runs; a new handshake replaces it`,
      );
      return;
    }
    this.#unanswered = content.unanswered;
    this.#isResumed = true;
    try {
      await client.importAssociation(this.#uri.text, content.state);
    } catch (error) {
      this.#isResumed = false;
      if ((error as { code?: unknown }).code !== 'ERR_ASSOCIATION_STATE') throw error;
      this.#warn(`${this.#path}: ${(error as Error).message}; a new handshake replaces it`);
    }
  }

  /** Leaves the association, with exact values, for the next process. */
  async leave(client: CommandClient): Promise<void> {
    const state = await client.exportAssociation(this.#uri.text);
    if (state !== undefined) this.#write(state, this.#isUnanswered);
  }

  /**
   * After a failure. A server that is merely down or out of reach still has the association, one that has lost it never
   * answers: which of the two it is, only the number of runs can tell.
   */
  async leaveFailed(client: CommandClient, error: unknown): Promise<void> {
    const { exitCode } = reportOf(error);
    if (!this.#isUnanswered) {
      if (this.#isResumed || exitCode !== ExitCode.NoAnswer) await this.leave(client);
      return;
    }
    // Where the port is closed nobody has lost anything.
    const isSilence = exitCode === ExitCode.NoAnswer || (error as { code?: unknown }).code === 'ERR_ABORTED';
    const state = (await client.exportAssociation(this.#uri.text)) ?? this.#latest?.state;
    if (state !== undefined) this.#write(state, isSilence);
    if (!isSilence) return;
    const runs = this.#unanswered + 1;
    const next =
      runs < mostUnanswered
        ? `the association is kept until ${mostUnanswered} runs in a row had no answer (now ${runs})`
        : 'next time there will be a new handshake';
    this.#warn(`${this.#path}: the server did not answer; ${next}`);
  }

  /** Whether the association was taken over and nothing came back on it. */
  get #isUnanswered(): boolean {
    return this.#isResumed && !this.#isHeard;
  }

  #write(state: Uint8Array, isUnanswered: boolean): void {
    const before = this.#isUnanswered ? this.#unanswered : 0;
    const unanswered = isUnanswered ? before + 1 : before;
    this.#file.write(state, unanswered);
    this.#latest = { state: Uint8Array.from(state), unanswered };
  }

  close(): void {
    this.#file.close();
  }
}

/** One session is for one server under one name. */
function serverName(uri: TargetUri, sni: string | undefined): string {
  return `${peerName(uri)}${sni === undefined ? '' : ` as ${sni}`}`;
}

function peerName({ text, port, line, secure }: TargetUri): string {
  if (line !== undefined) return serialLineUri({ secure, ...line });
  const parsed = parseCoapUri(text);
  return `coaps://${'host' in parsed ? parsed.host : text}:${port}`;
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
