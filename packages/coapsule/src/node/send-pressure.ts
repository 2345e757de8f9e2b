/**
 * What a socket does not take at once waits in memory, without a bound of its own: this is the bound. What comes beyond it
 * is lost, as on any network that is too slow, and the peers back off (RFC 7252 §4.7).
 *
 * @module
 */

/** Bytes that may wait to be sent. */
const queuedAtMost = 4 * 1024 * 1024;
/** Datagrams after which one looks again, while there is room: looking costs more than all the rest of a send. */
const lookEvery = 64;

/** See the module comment. */
export class SendPressure {
  readonly #queuedBytes: () => number;
  #untilLook = lookEvery;

  /** @param queuedBytes How much waits now. */
  constructor(queuedBytes: () => number) {
    this.#queuedBytes = queuedBytes;
  }

  /** Whether there is room for a datagram. */
  mayGo(): boolean {
    if (--this.#untilLook > 0) return true;
    const isFull = this.#queuedBytes() > queuedAtMost;
    this.#untilLook = isFull ? 1 : lookEvery;
    return !isFull;
  }
}
