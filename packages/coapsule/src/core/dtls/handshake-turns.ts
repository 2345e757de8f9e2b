/**
 * Records of handshakes that wait for their turn, so that a flood of handshakes does not keep established peers waiting
 * (docs/decisions/054).
 *
 * A record of a handshake may cost public-key work of up to half a millisecond, a record of an association a few
 * microseconds. So only a few of the former are taken in each turn of the loop; the others wait, and `nextTimeout` asks
 * for another turn, between which the surroundings receive what has come meanwhile. The core does not see the loop: a
 * turn begins with `handleTimeout`, and is asked for whenever some of this one is used.
 *
 * Networks (`network-of.ts`) take turns too, so that a flood from one of them does not keep the others waiting. Bounded;
 * a record that finds no room is lost as in a network, and its flight comes again by the timer of the peer.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { PeerAddress } from '../foundation/peer-address.ts';
import { networkOf } from './network-of.ts';
import { copyRecord, type RecordView, recordLength } from './record/demultiplex.ts';

/** Room for all, and for one address: more than the largest flight of a client. */
const limits = { bytes: 2 * 1024 * 1024, recordsOfAddress: 32 } as const;

/** A record that waits. */
export interface WaitingRecord {
  readonly address: PeerAddress;
  readonly record: RecordView;
  /** Whether the next record of the network is out of the same datagram. */
  readonly isLastOfDatagram: boolean;
}

interface Entry {
  readonly address: PeerAddress;
  readonly record: RecordView;
  readonly datagram: number;
}

/** See the module comment. */
export class HandshakeTurns {
  readonly #recordsPerTurn: number;
  #left: number;
  /** When the first record of this turn was taken. */
  #usedSince: Instant | undefined;
  /** The network whose turn it is comes first. */
  readonly #byNetwork = new Map<string, Entry[]>();
  readonly #countByAddress = new Map<string, number>();
  #bytes = 0;
  #datagram = 0;
  #waitsSince: Instant | undefined;

  /** @param recordsPerTurn Infinity where nothing is to wait. */
  constructor(recordsPerTurn: number) {
    this.#recordsPerTurn = recordsPerTurn;
    this.#left = recordsPerTurn;
  }

  /** Bytes of all that waits. */
  get keptBytes(): number {
    return this.#bytes;
  }

  /** A new datagram begins. */
  beginDatagram(): void {
    this.#datagram++;
  }

  /** A new turn of the loop begins. */
  beginTurn(): void {
    this.#usedSince = undefined;
    this.#left = this.#recordsPerTurn;
  }

  /** Whether something of an address waits: what comes later from there waits behind it. */
  isWaiting({ key }: PeerAddress): boolean {
    return this.#countByAddress.size > 0 && this.#countByAddress.has(key);
  }

  /** Whether a record may be taken now; counts it. */
  take(now: Instant): boolean {
    if (this.#recordsPerTurn === Infinity) return true;
    if (this.#byNetwork.size > 0 || this.#left <= 0) return false;
    this.#left--;
    this.#usedSince ??= now;
    return true;
  }

  /** Keeps a copy of a record until its turn; false when there is no room. */
  wait(address: PeerAddress, record: RecordView, now: Instant): boolean {
    const length = recordLength(record);
    const count = this.#countByAddress.get(address.key) ?? 0;
    if (this.#bytes + length > limits.bytes || count >= limits.recordsOfAddress) return false;
    const network = networkOf(address.host);
    const entry = { address, record: copyRecord(record), datagram: this.#datagram };
    const entries = this.#byNetwork.get(network);
    if (entries === undefined) this.#byNetwork.set(network, [entry]);
    else entries.push(entry);
    this.#countByAddress.set(address.key, count + 1);
    this.#bytes += length;
    this.#waitsSince ??= now;
    return true;
  }

  /** The next record whose turn it is; `undefined` when this turn has had its share, or nothing waits. */
  next(now: Instant): WaitingRecord | undefined {
    if (this.#left <= 0) return undefined;
    const [first] = this.#byNetwork;
    const entry = first?.[1].shift();
    if (first === undefined || entry === undefined) return undefined;
    this.#left--;
    this.#usedSince ??= now;
    const [network, entries] = first;
    const [following] = entries;
    const { address, record, datagram } = entry;
    const isLastOfDatagram =
      following === undefined || following.datagram !== datagram || following.address.key !== address.key;
    if (following === undefined) {
      this.#byNetwork.delete(network);
    } else if (isLastOfDatagram && this.#byNetwork.size > 1) {
      // Behind the others; but a datagram is not torn apart by them.
      this.#byNetwork.delete(network);
      this.#byNetwork.set(network, entries);
    }
    this.#bytes -= recordLength(record);
    const count = this.#countByAddress.get(address.key) ?? 0;
    if (count <= 1) this.#countByAddress.delete(address.key);
    else this.#countByAddress.set(address.key, count - 1);
    if (this.#byNetwork.size === 0) this.#waitsSince = undefined;
    return { address, record, isLastOfDatagram };
  }

  /** While something waits, and when some of this turn is used: a time that has passed, so that the next turn comes at once. */
  nextTimeout(): Instant | undefined {
    return this.#waitsSince ?? this.#usedSince;
  }
}
