/**
 * How much went by each association, and since when: 12 bytes for each, beside the line of its slot that every record needs.
 *
 * For whoever wants to see the peers of a server; nothing here decides anything.
 *
 * @module
 */

import { grown, placesFor } from '../foundation/grown.ts';
import { elapsedMs, type Instant } from '../foundation/instant.ts';

/** What went by one association since it was made, or taken over by this process. */
export interface AssociationTraffic {
  /** Of records that were authentic, with their headers; at most 2^32 - 1, what is more is not counted. */
  readonly bytesReceived: number;
  /** Of records, with their headers; bounded in the same way. */
  readonly bytesSent: number;
  /** Whole seconds. */
  readonly ageSeconds: number;
}

const word = { received: 0, sent: 1, since: 2 } as const;
const wordsOfSlot = 3;
const most = 0xffff_ffff;

/** Of all associations of a layer, by their slots in the table. */
export class AssociationTraffics {
  #words = new Uint32Array(16 * wordsOfSlot);
  /** Of the first association: seconds count from here. */
  #origin: Instant | undefined;

  /** A slot is used from now on. */
  begin(slot: number, now: Instant): void {
    this.#origin ??= now;
    const start = slot * wordsOfSlot;
    if (start >= this.#words.length) this.#words = grown(this.#words, wordsOfSlot * placesFor(slot));
    this.#words.fill(0, start, start + wordsOfSlot);
    this.#words[start + word.since] = this.#seconds(now);
  }

  noteReceived(slot: number, bytes: number): void {
    this.#add(slot * wordsOfSlot + word.received, bytes);
  }

  noteSent(slot: number, bytes: number): void {
    this.#add(slot * wordsOfSlot + word.sent, bytes);
  }

  of(slot: number, now: Instant): AssociationTraffic {
    const start = slot * wordsOfSlot;
    return {
      bytesReceived: this.#words[start + word.received] as number,
      bytesSent: this.#words[start + word.sent] as number,
      ageSeconds: this.#seconds(now) - (this.#words[start + word.since] as number),
    };
  }

  #add(place: number, bytes: number): void {
    this.#words[place] = Math.min(most, (this.#words[place] as number) + bytes);
  }

  #seconds(now: Instant): number {
    return Math.floor(elapsedMs(this.#origin ?? now, now) / 1000);
  }
}
