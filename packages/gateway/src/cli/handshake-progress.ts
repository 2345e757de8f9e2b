/**
 * How far a handshake came, to say more than "no answer" when time runs out.
 *
 * A server that does not like identity or key may fall silent after the client's Finished instead of sending an
 * alert (RFC 6347 §4.1.2.7 lets it drop the record). A time-out then has a cause.
 *
 * @module
 */

import type { TraceEvent } from 'coapsule';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** Watches the trace of one client. */
export class HandshakeProgress {
  #finishedSent = false;
  #connected = false;

  /** Takes one event of the trace. */
  event(event: TraceEvent): void {
    if (event.kind === 'connected') this.#connected = true;
    else if (event.kind === 'handshake-trace' && event.direction === 'sent' && event.name === 'Finished') {
      this.#finishedSent = true;
    }
  }

  /** The error itself, or a better one for a time-out between our Finished and the server's. */
  explain(error: unknown): unknown {
    const { code } = (error ?? {}) as { code?: unknown };
    if (code !== 'ERR_TIMEOUT' || !this.#finishedSent || this.#connected) return error;
    return new SilentServer();
  }
}

/** The server fell silent where identity and key are checked. */
export class SilentServer extends CommandFailure {
  constructor() {
    super(
      ExitCode.Security,
      'the server stopped answering in the handshake, after our Finished: identity unknown or key wrong',
      "compare identity (-u) and key (-k) with the server's; its log may say which of the two is wrong",
    );
  }
}
