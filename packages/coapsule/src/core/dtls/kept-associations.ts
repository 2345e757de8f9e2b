/**
 * What associations need that are to outlive this process: write sequence numbers reserved ahead, and the right edge
 * of each replay window stored before what lies beyond it counts (docs/decisions/018).
 *
 * The surroundings store both, in the order of the outputs. After a crash an association goes on with the first
 * number that was not reserved, so that no nonce is used twice; and a record beyond the stored edge was never
 * delivered, so that it is fresh. Sealing, opening and the associations themselves are elsewhere.
 *
 * @module
 */

import { after, elapsedMs, type Instant, instant } from '../foundation/instant.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { AssociationId, DtlsRole, KeepingOutput } from './dtls-output.ts';

interface Kept {
  /** First number that is not reserved: stored, and asked for. */
  reserved: number;
  reservedAsked: number;
  reservedAskedAt: Instant;
  /** The number written with when it was asked for: tells the rate. */
  reservedAskedFrom: number;
  /** Data that waits for a reservation. */
  readonly held: Uint8Array[];
  /** Clients store none: their answers are told by tokens that are never used twice. */
  readonly hasEdge: boolean;
  edge: number;
  edgeAsked: number;
  edgeAskedAt: Instant;
  /** The record that moved it. */
  edgeAskedFrom: number;
  /** Records in a row that came fast. */
  fastRecords: number;
  /** Since it is kept. */
  lastReceived: Instant | undefined;
  highest: number;
}

/** Numbers reserved at least, and at most, at once. */
export const leastReservation = 64;
const mostReserved = 65_536;

/** Of each reservation these are for alerts alone: the end can be told when no more can be reserved. */
const reservedForAlerts = 4;

/** A reservation is for this time at the present rate; it is renewed when half of it is used. */
const reservationMs = 20_000;

/** The edge goes ahead of a fast peer by this time at its rate. */
const edgeAheadMs = 4000;

/** A peer that sends less often than this is slow: its edge is exact. */
const slowIntervalMs = 1000;

/** So many records in a row are a burst: a device that sends them and sleeps has an exact edge too. */
const burstRecords = 8;

const mostEdgeAhead = 65_536;

/** RFC 6347 §4.1: 48 bits. */
const maxSequenceNumber = 2 ** 48 - 1;

/** When a fast peer was quiet for this time its edge becomes exact again. */
const quietMs = 5000;

/** Messages held back for one association; more are dropped, as the network might have done. */
const maxHeld = 32;

/** The associations of a layer that are kept. Emits what is to be stored. */
export class KeptAssociations {
  readonly #emit: (output: KeepingOutput) => void;
  readonly #kept = new Map<AssociationId, Kept>();
  readonly #quietTimers = new TimerQueue<AssociationId>();
  #now: Instant = instant(0);

  constructor(emit: (output: KeepingOutput) => void) {
    this.#emit = emit;
  }

  /** Number of kept associations. */
  get size(): number {
    return this.#kept.size;
  }

  ids(): AssociationId[] {
    return [...this.#kept.keys()];
  }

  /**
   * Begins to keep an association.
   *
   * @param first The next sequence number to write with.
   * @param reserved First number that is not reserved, as the surroundings have it or are about to store it.
   * @param edge Right edge of the window as stored; -1 when nothing was received.
   */
  add(
    association: AssociationId,
    role: DtlsRole,
    first: number,
    reserved: number,
    edge: number,
    now: Instant,
  ): void {
    this.#kept.set(association, {
      reserved,
      reservedAsked: reserved,
      reservedAskedAt: now,
      reservedAskedFrom: first,
      held: [],
      hasEdge: role === 'server',
      edge,
      edgeAsked: edge,
      edgeAskedAt: now,
      edgeAskedFrom: edge,
      fastRecords: 0,
      lastReceived: undefined,
      highest: edge,
    });
  }

  /** It ended, or could not be stored: from now on it is like any other. Returns what was held back. */
  remove(association: AssociationId): readonly Uint8Array[] {
    const held = this.#kept.get(association)?.held ?? [];
    this.#kept.delete(association);
    this.#quietTimers.cancel(association);
    return held;
  }

  /** What the rates are measured with: the time of the latest event. */
  noteTime(now: Instant): void {
    this.#now = now;
  }

  /** Whether a record may be sealed with this number. Asks for more numbers in time. */
  mayWrite(association: AssociationId, sequence: number, isAlert: boolean): boolean {
    const kept = this.#kept.get(association);
    if (kept === undefined) return true;
    if (kept.reservedAsked === kept.reserved) this.#reserveAhead(association, kept, sequence);
    return sequence < kept.reserved - (isAlert ? 0 : reservedForAlerts);
  }

  /** Keeps data that may not be sealed yet until `reservationStored`, unless too much waits already. */
  hold(association: AssociationId, data: Uint8Array): void {
    const kept = this.#kept.get(association);
    if (kept !== undefined && kept.held.length < maxHeld) kept.held.push(data.slice());
  }

  #reserveAhead(association: AssociationId, kept: Kept, sequence: number): void {
    const block = kept.reserved - kept.reservedAskedFrom;
    if (kept.reserved - sequence > block / 2) return;
    const elapsed = Math.max(1, elapsedMs(kept.reservedAskedAt, this.#now));
    const sent = sequence - kept.reservedAskedFrom;
    const wanted = Math.ceil((sent / elapsed) * reservationMs);
    // Four times the last one at most: a burst is no rate.
    const size = Math.min(mostReserved, Math.max(leastReservation, Math.min(wanted, 4 * block)));
    kept.reservedAsked = Math.max(kept.reserved, sequence) + size;
    kept.reservedAskedAt = this.#now;
    kept.reservedAskedFrom = sequence;
    this.#emit({ kind: 'reserve-sequence', association, upTo: kept.reservedAsked });
  }

  /** A reservation is in the store. Returns what was held back, to be sent now. */
  reservationStored(association: AssociationId, upTo: number): readonly Uint8Array[] {
    const kept = this.#kept.get(association);
    if (kept === undefined || upTo <= kept.reserved) return [];
    kept.reserved = upTo;
    kept.reservedAsked = Math.max(kept.reservedAsked, upTo);
    return kept.held.splice(0);
  }

  /** An authentic, new record came: before it counts, the edge has to be where it is or beyond. */
  received(association: AssociationId, sequence: number, now: Instant): void {
    const kept = this.#kept.get(association);
    if (kept === undefined || !kept.hasEdge) return;
    const isFirst = kept.lastReceived === undefined;
    kept.lastReceived = now;
    if (sequence > kept.highest) kept.highest = sequence;
    const ahead = kept.edgeAsked - kept.edgeAskedFrom;
    const isBeyond = sequence > kept.edgeAsked;
    // A fast peer's edge moves on when half of it is used, so that nothing waits for it.
    if (!isBeyond && (ahead === 0 || sequence <= kept.edgeAsked - ahead / 2)) return;
    const elapsed = elapsedMs(kept.edgeAskedAt, now);
    const count = sequence - kept.edgeAskedFrom;
    // The first one tells no rate, however many numbers it is ahead.
    const isSlow = isFirst || elapsed / count >= slowIntervalMs;
    kept.fastRecords = isSlow ? 0 : kept.fastRecords + count;
    const margin =
      kept.fastRecords <= burstRecords
        ? 0
        : Math.min(
            mostEdgeAhead,
            // By steps: a few records in a row are no rate.
            4 * kept.fastRecords,
            Math.ceil((count / Math.max(1, elapsed)) * edgeAheadMs),
          );
    const edge = Math.min(maxSequenceNumber, sequence + margin);
    if (!isBeyond && edge <= kept.edgeAsked) return;
    this.#ask(association, kept, sequence, edge, now);
    if (margin > 0) this.#quietTimers.set(association, after(now, quietMs));
  }

  #ask(association: AssociationId, kept: Kept, from: number, edge: number, now: Instant): void {
    kept.edgeAsked = edge;
    kept.edgeAskedAt = now;
    kept.edgeAskedFrom = from;
    this.#emit({ kind: 'advance-edge', association, edge });
  }

  edgeStored(association: AssociationId, edge: number): void {
    const kept = this.#kept.get(association);
    if (kept !== undefined) kept.edge = edge;
  }

  /**
   * A reservation or an edge could not be stored: the next record asks again.
   *
   * @returns whether records are held back for it, which cannot go out.
   */
  storingFailed(association: AssociationId): boolean {
    const kept = this.#kept.get(association);
    if (kept === undefined) return false;
    kept.reservedAsked = kept.reserved;
    kept.edgeAsked = Math.min(kept.edge, kept.edgeAsked);
    kept.edgeAskedFrom = kept.edgeAsked;
    return kept.held.length > 0;
  }

  /** Makes the edges of peers exact that were fast and fell silent. */
  handleTimeout(now: Instant): void {
    for (;;) {
      const due = this.#quietTimers.expire(now);
      if (due === undefined) return;
      const kept = this.#kept.get(due);
      if (kept === undefined || kept.edgeAsked === kept.highest) continue;
      const quietAt = after(kept.lastReceived ?? now, quietMs);
      if (quietAt > now) this.#quietTimers.set(due, quietAt);
      else this.#ask(due, kept, kept.highest, kept.highest, now);
    }
  }

  nextTimeout(): Instant | undefined {
    return this.#quietTimers.next();
  }
}
