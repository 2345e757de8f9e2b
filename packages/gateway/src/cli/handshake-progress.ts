/**
 * How far a handshake came, to say more than "no answer" when the time of a request (`-B`) runs out in it.
 *
 * A handshake that runs into its own limit says so itself; this is for those that were cut short.
 *
 * @module
 */

import type { TraceEvent } from 'coapsule';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** Watches the trace of one client. */
export class HandshakeProgress {
  readonly #received = new Set<string>();
  #finishedSent = false;
  #connected = false;

  /** Takes one event of the trace. */
  event(event: TraceEvent): void {
    if (event.kind === 'connected') this.#connected = true;
    if (event.kind !== 'handshake-trace') return;
    if (event.direction === 'received') this.#received.add(event.name);
    else if (event.name === 'Finished') this.#finishedSent = true;
  }

  /** The error itself, or a better one for a time-out after the first answer of the server. */
  explain(error: unknown): unknown {
    const { code } = (error ?? {}) as { code?: unknown };
    if (code !== 'ERR_TIMEOUT' || this.#connected) return error;
    const names = [...this.#received];
    if (!this.#finishedSent && names.length === 0) return error;
    if (!this.#finishedSent) {
      const isCookieOnly = names.every((name) => name === 'HelloVerifyRequest');
      return new SilentServer(
        ExitCode.NoAnswer,
        isCookieOnly
          ? 'the server asked for a cookie (HelloVerifyRequest) and then stopped answering'
          : `the server's part of the handshake did not come whole; there came ${names.join(', ')}`,
        'wait longer with -B SECONDS; if the server shows a certificate, its datagrams may be too large for the path',
      );
    }
    // It fell silent where identity and key are checked (RFC 6347 §4.1.2.7 lets it drop the record).
    return names.includes('Certificate')
      ? new SilentServer(
          ExitCode.NoAnswer,
          'the server stopped answering in the handshake, after our Finished',
          'wait longer with -B SECONDS; if we show a certificate, our datagrams may be too large for the path: try --mtu',
        )
      : new SilentServer(
          ExitCode.Security,
          'the server stopped answering in the handshake, after our Finished: identity unknown or key wrong',
          "compare identity (-u) and key (-k) with the server's; its log may say which of the two is wrong",
        );
  }
}

/** The server fell silent in the middle of a handshake. */
export class SilentServer extends CommandFailure {}
