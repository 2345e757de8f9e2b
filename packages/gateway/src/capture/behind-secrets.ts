/**
 * What passes an end of DTLS, in an order in which a capture can be read: the secrets of an association before what is encrypted with
 * them.
 *
 * A server has the secrets only after the last flight of the client, in which the first encrypted record is. From that flight on what
 * passes waits for them, or for the answer that comes without: then the handshake has failed.
 *
 * @module
 */

import type { CapturedDatagram } from 'coapsule';

/** What is looked at of a datagram. */
type Passed = Pick<CapturedDatagram, 'direction' | 'transport' | 'remote' | 'datagram'>;

/** Items that wait at most. */
const mostWaiting = 64;

/** Certificate or ClientKeyExchange, which begin the last flight of a client (RFC 6347 §4.2.4, Figure 1). */
function isLastFlight({ transport, datagram }: Passed): boolean {
  return transport === undefined && datagram[0] === 22 && (datagram[13] === 11 || datagram[13] === 16);
}

/** See the module comment. What is written is an item: a datagram, or what was made of one. */
export class BehindSecrets<Item> {
  readonly #write: (item: Item) => void;
  #waiting: Item[] = [];
  /** Of which peer a secret is waited for. */
  #waitingFor: string | undefined;

  constructor(write: (item: Item) => void) {
    this.#write = write;
  }

  /** Writes what is made of a datagram, now or behind the secret. */
  pass(passed: Passed, items: () => readonly Item[]): void {
    const { direction, remote } = passed;
    // It is answered, and there was no secret: the handshake failed.
    if (direction === 'sent' && remote.key === this.#waitingFor) this.flush();
    if (direction === 'received' && isLastFlight(passed)) this.#waitingFor ??= remote.key;
    if (this.#waitingFor === undefined) {
      for (const item of items()) this.#write(item);
      return;
    }
    this.#waiting.push(...items());
    if (this.#waiting.length >= mostWaiting) this.flush();
  }

  /** The secret is written, or will not come. */
  flush(): void {
    this.#waitingFor = undefined;
    for (const item of this.#waiting.splice(0)) this.#write(item);
  }
}
