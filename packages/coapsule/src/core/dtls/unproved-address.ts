/**
 * An address from which a peer's records come, though nobody knows yet whether it receives there.
 *
 * Sends at most three times the bytes that came from it (RFC 9853 §1, RFC 9146 §9); what is more waits, within bounds.
 *
 * @module
 */

import type { PeerAddress } from '../foundation/peer-address.ts';

/** RFC 9853 §1, as RFC 9000 §8. */
export const amplificationFactor = 3;

/** Records and bytes that wait for one association, and bytes that wait for all of them. */
const limits = { records: 16, bytes: 16_384, totalBytes: 4 * 1024 * 1024 } as const;

/** The address with its account. */
export class UnprovedAddress {
  readonly address: PeerAddress;
  /** Bytes of authenticated records from there. */
  received: number;
  #sent = 0;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #mayWait = true;
  readonly #total: { bytes: number };

  /**
   * @param received Bytes of the record that came from there first.
   * @param total Bytes that wait at all such addresses; counted along.
   */
  constructor(address: PeerAddress, received: number, total: { bytes: number }) {
    this.address = address;
    this.received = received;
    this.#total = total;
  }

  /** Takes bytes off what may be sent; false, and nothing is taken, when they are too many. */
  spend(bytes: number): boolean {
    if (this.#sent + bytes > amplificationFactor * this.received) return false;
    this.#sent += bytes;
    return true;
  }

  /** Keeps a datagram until the address is proved. The oldest ones go when there is no room. */
  wait(datagram: Uint8Array): void {
    const { records, bytes, totalBytes } = limits;
    if (!this.#mayWait || datagram.length > bytes) return;
    while (this.#waiting.length >= records || this.#waitingBytes + datagram.length > bytes) this.#drop();
    if (this.#total.bytes + datagram.length > totalBytes) return;
    this.#waiting.push(datagram);
    this.#count(datagram.length);
  }

  /** From now on datagrams may wait here again; false when they might all the time. */
  resumeWaiting(): boolean {
    if (this.#mayWait) return false;
    this.#mayWait = true;
    return true;
  }

  /** What waited at the address before goes to this one instead. */
  takeOver(before: UnprovedAddress): void {
    for (const datagram of before.takeWaiting()) this.wait(datagram);
  }

  /** Takes out all that waits, the oldest first. */
  takeWaiting(): Uint8Array[] {
    const taken = this.#waiting;
    this.#waiting = [];
    this.#count(-this.#waitingBytes);
    return taken;
  }

  /** Drops what waits; nothing waits here any more. */
  stopWaiting(): void {
    this.takeWaiting();
    this.#mayWait = false;
  }

  #drop(): void {
    this.#count(-(this.#waiting.shift()?.length ?? 0));
  }

  #count(bytes: number): void {
    this.#waitingBytes += bytes;
    this.#total.bytes += bytes;
  }
}
