/**
 * The datagrams that a socket sends in a turn of the event loop in which it has received some: they leave together, when all
 * that had come is handled.
 *
 * One after the other, between two that are received, they would each find the caches of the processor full of other work, and
 * wake who waits for them each by itself; that is half of what a small request costs (docs/decisions/070). What is sent in
 * other turns goes at once.
 *
 * @module
 */

import type { PeerAddress } from '../core/foundation/peer-address.ts';

/** Datagrams that wait at most: what is not sent yet counts for nobody's pressure (`send-pressure.ts`). */
const mostWaiting = 64;

/** How long a datagram waits for others to be handled, which may take an application long. */
const longestWaitMs = 1;

/** See the module comment. Datagrams leave in the order in which they were given. */
export class SendBatch {
  readonly #send: (datagram: Buffer, to: PeerAddress) => void;
  #waiting: { readonly datagram: Buffer; readonly to: PeerAddress }[] = [];
  #isReceiving = false;
  #since = 0;
  readonly #now: () => number;

  /**
   * @param send Sends one.
   * @param now Milliseconds that only grow.
   */
  constructor(
    send: (datagram: Buffer, to: PeerAddress) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#send = send;
    this.#now = now;
  }

  /** A datagram has come, and is handled next. */
  received(): void {
    if (this.#isReceiving) return;
    this.#isReceiving = true;
    // Behind all that the socket has received in this turn.
    setImmediate(this.#endTurn);
  }

  /** It is handled. */
  handled(): void {
    if (this.#waiting.length > 0 && this.#now() - this.#since >= longestWaitMs) this.flush();
  }

  /** Sends a datagram, now or with others. */
  add(datagram: Buffer, to: PeerAddress): void {
    if (!this.#isReceiving) {
      this.#send(datagram, to);
      return;
    }
    if (this.#waiting.length === 0) this.#since = this.#now();
    if (this.#waiting.push({ datagram, to }) >= mostWaiting) this.flush();
  }

  /** Sends all that wait. */
  flush(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const { datagram, to } of waiting) this.#send(datagram, to);
  }

  readonly #endTurn = (): void => {
    this.#isReceiving = false;
    this.flush();
  };
}
