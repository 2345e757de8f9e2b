/**
 * What passes between devices and the tap, in an order in which a capture can be read: the secrets of an association before what is
 * encrypted with them.
 *
 * A server has the secrets only after the last flight of the client, in which the first encrypted record is. From that flight on what
 * passes waits for them, or for the answer that comes without: then the handshake has failed.
 *
 * @module
 */

import type { CaptureSink } from './relay.ts';

type Captured = Parameters<CaptureSink>[0];

/** Datagrams that wait at most. */
const mostWaiting = 64;

/** Certificate or ClientKeyExchange, which begin the last flight of a client (RFC 6347 §4.2.4, Figure 1). */
function isLastFlight({ datagram }: Captured): boolean {
  return datagram[0] === 22 && (datagram[13] === 11 || datagram[13] === 16);
}

/** See the module comment. */
export class CaptureBehindSecrets {
  readonly #capture: CaptureSink;
  readonly #wallTimeMs: () => number;
  #waiting: Captured[] = [];
  #waitingFor: string | undefined;

  constructor(capture: CaptureSink, wallTimeMs: () => number) {
    this.#capture = capture;
    this.#wallTimeMs = wallTimeMs;
  }

  datagram(passed: Captured): void {
    const { direction, remote } = passed;
    if (direction === 'sent' && remote.key === this.#waitingFor) this.flush();
    if (direction === 'received' && isLastFlight(passed)) this.#waitingFor ??= remote.key;
    if (this.#waitingFor === undefined) {
      this.#capture(passed);
      return;
    }
    this.#waiting.push({ ...passed, wallTimeMs: this.#wallTimeMs() });
    if (this.#waiting.length >= mostWaiting) this.flush();
  }

  /** The secret is written, or will not come. */
  flush(): void {
    this.#waitingFor = undefined;
    for (const passed of this.#waiting.splice(0)) this.#capture(passed);
  }
}
