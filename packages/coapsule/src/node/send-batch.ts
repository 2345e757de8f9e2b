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

import { elapsedMs, type Instant } from '../core/foundation/instant.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { type Clock, monotonicClock } from './monotonic-clock.ts';

/** Datagrams that wait at most: what is not sent yet counts for nobody's pressure (`send-pressure.ts`). */
const mostWaiting = 64;

/** How long a datagram waits for others to be handled, which may take an application long. */
const longestWaitMs = 1;

/** See the module comment. Datagrams leave in the order in which they were given. */
export class SendBatch {
  readonly #send: (datagram: Buffer, to: PeerAddress) => void;
  readonly #clock: Clock;
  readonly #datagrams: (Buffer | undefined)[] = new Array<Buffer | undefined>(mostWaiting).fill(undefined);
  readonly #addresses: (PeerAddress | undefined)[] = new Array<PeerAddress | undefined>(mostWaiting).fill(
    undefined,
  );
  #waiting = 0;
  #since = 0 as Instant;
  #isReceiving = false;

  /** @param send Sends one. */
  constructor(send: (datagram: Buffer, to: PeerAddress) => void, clock: Clock = monotonicClock) {
    this.#send = send;
    this.#clock = clock;
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
    if (this.#waiting > 0 && elapsedMs(this.#since, this.#clock.now()) >= longestWaitMs) this.flush();
  }

  /** Sends a datagram, now or with others. */
  add(datagram: Buffer, to: PeerAddress): void {
    if (!this.#isReceiving) {
      this.#send(datagram, to);
      return;
    }
    if (this.#waiting === 0) this.#since = this.#clock.now();
    this.#datagrams[this.#waiting] = datagram;
    this.#addresses[this.#waiting] = to;
    this.#waiting++;
    if (this.#waiting === mostWaiting) this.flush();
  }

  /** Sends all that wait. */
  flush(): void {
    const waiting = this.#waiting;
    this.#waiting = 0;
    for (let i = 0; i < waiting; i++) {
      const datagram = this.#datagrams[i] as Buffer;
      this.#datagrams[i] = undefined;
      this.#send(datagram, this.#addresses[i] as PeerAddress);
    }
  }

  readonly #endTurn = (): void => {
    this.#isReceiving = false;
    this.flush();
  };
}
