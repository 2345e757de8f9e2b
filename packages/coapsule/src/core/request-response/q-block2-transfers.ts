/**
 * Response bodies in Q-Blocks on their way out: which blocks go when.
 *
 * RFC 9177 §4.4, §7.1 and §7.2. MAX_PAYLOADS at a time; Non-confirmable ones then pause for NON_TIMEOUT_RANDOM or until
 * the client says Continue, Confirmable ones until all are acknowledged. The bodies are kept in `response-bodies.ts`.
 *
 * @module
 */

import { after, type Instant } from '../foundation/instant.ts';
import { type RandomSource, randomFraction } from '../foundation/random-source.ts';
import { TimerQueue } from '../foundation/timer-queue.ts';
import type { ExchangeId, PeerKey, Representation } from './exchange.ts';
import { nonTimeoutRandomMs, type QBlockParameters } from './q-block-parameters.ts';

/** Blocks of one body for one request. */
export interface QBlock2Transfer {
  /** Of its own: what becomes of its messages is reported by it. */
  readonly id: ExchangeId;
  readonly peer: PeerKey;
  readonly token: Uint8Array;
  readonly type: 'CON' | 'NON';
  readonly response: Representation;
  /** Observe option of all its blocks (§4.5). */
  readonly sequence: number | undefined;
  readonly szx: number;
  /** The blocks to send: those listed, or all from `next` to the last one of the body. */
  readonly numbers: readonly number[] | undefined;
  /** How many blocks of the list were sent, or the number of the next block. */
  next: number;
}

/** What the transfers need done. */
export interface TransferWork {
  /** Sends a block; `undefined` when it is the last of the body, or does not exist. */
  readonly send: (transfer: QBlock2Transfer, num: number, now: Instant) => void;
  /** Whether more of the response may go to its peer. */
  readonly mayGoOn: (transfer: QBlock2Transfer, now: Instant) => boolean;
  /** Nothing more of it goes. */
  readonly ended: (id: ExchangeId) => void;
}

interface State {
  readonly transfer: QBlock2Transfer;
  /** NON_TIMEOUT_RANDOM of this body. */
  readonly pauseMs: number;
  /** Confirmable blocks not acknowledged. */
  outstanding: number;
}

/** All transfers of one endpoint; the oldest ends when there are too many. */
export class QBlock2Transfers {
  readonly #parameters: QBlockParameters;
  readonly #random: RandomSource;
  readonly #work: TransferWork;
  /** Oldest first. */
  readonly #transfers = new Map<ExchangeId, State>();
  readonly #byPeer = new Map<PeerKey, Set<State>>();
  readonly #pauses = new TimerQueue<State>();

  constructor(parameters: QBlockParameters, random: RandomSource, work: TransferWork) {
    this.#parameters = parameters;
    this.#random = random;
    this.#work = work;
  }

  /** Number of transfers under way. */
  get size(): number {
    return this.#transfers.size;
  }

  /** Begins a transfer, of which `sent` blocks went already in this set. */
  begin(transfer: QBlock2Transfer, sent: number, now: Instant): void {
    const pauseMs = nonTimeoutRandomMs(this.#parameters, randomFraction(this.#random));
    const state: State = { transfer, pauseMs, outstanding: 0 };
    this.#transfers.set(transfer.id, state);
    const ofPeer = this.#byPeer.get(transfer.peer) ?? new Set();
    this.#byPeer.set(transfer.peer, ofPeer.add(state));
    if (ofPeer.size > maxTransfersPerPeer) this.#end([...ofPeer][0] as State);
    if (this.#transfers.size > maxTransfers) this.#end([...this.#transfers.values()][0] as State);
    this.#sendSet(state, sent, now);
  }

  /**
   * §4.4: the client has the set before block `num` of a body that is on its way to it; the next set goes at once.
   * False where no such transfer waits or has just gone on.
   */
  goOn(peer: PeerKey, responses: (response: Representation) => boolean, num: number, now: Instant): boolean {
    for (const state of this.#byPeer.get(peer) ?? []) {
      const { transfer } = state;
      if (transfer.numbers !== undefined || !responses(transfer.response) || transfer.next < num) continue;
      if (transfer.next === num && this.#pauses.deadline(state) !== undefined) this.#sendSet(state, 0, now);
      return true;
    }
    return false;
  }

  /** A Confirmable block was acknowledged. */
  acknowledged(id: ExchangeId, now: Instant): void {
    const state = this.#transfers.get(id);
    if (state === undefined || state.transfer.type === 'NON') return;
    state.outstanding--;
    if (state.outstanding === 0) this.#sendSet(state, 0, now);
  }

  /** A block was reset, given up or never sent: the rest does not go (§4.4). */
  failed(id: ExchangeId): void {
    const state = this.#transfers.get(id);
    if (state !== undefined) this.#end(state);
  }

  /** Ends the transfers of a peer that `isObsolete` names. */
  endIf(peer: PeerKey, isObsolete: (transfer: QBlock2Transfer) => boolean): void {
    for (const state of this.#byPeer.get(peer) ?? []) if (isObsolete(state.transfer)) this.#end(state);
  }

  handleTimeout(now: Instant): void {
    for (let due = this.#pauses.expire(now); due !== undefined; due = this.#pauses.expire(now)) {
      this.#sendSet(due, 0, now);
    }
  }

  nextTimeout(): Instant | undefined {
    return this.#pauses.next();
  }

  #sendSet(state: State, sent: number, now: Instant): void {
    const { transfer } = state;
    this.#pauses.cancel(state);
    const { maxPayloads } = this.#parameters;
    const total = transfer.numbers?.length ?? blocksOf(transfer);
    if (transfer.next < total && !this.#work.mayGoOn(transfer, now)) {
      this.#end(state);
      return;
    }
    for (let count = sent; count < maxPayloads && transfer.next < total; count++) {
      const num =
        transfer.numbers === undefined ? transfer.next : (transfer.numbers[transfer.next] as number);
      transfer.next++;
      if (transfer.type === 'CON') state.outstanding++;
      this.#work.send(transfer, num, now);
      // A list is cut at the sets of the body; what goes from `next` on begins with one, or with what completes one.
      if (transfer.numbers === undefined && transfer.next % maxPayloads === 0) break;
    }
    if (transfer.next < total) {
      if (transfer.type === 'NON') this.#pauses.set(state, after(now, state.pauseMs));
    } else if (state.outstanding === 0) this.#end(state);
  }

  #end(state: State): void {
    const { id, peer } = state.transfer;
    this.#transfers.delete(id);
    this.#pauses.cancel(state);
    const ofPeer = this.#byPeer.get(peer);
    ofPeer?.delete(state);
    if (ofPeer?.size === 0) this.#byPeer.delete(peer);
    this.#work.ended(id);
  }
}

const maxTransfers = 1000;
const maxTransfersPerPeer = 8;

/** How many blocks a transfer's body has. */
function blocksOf({ response, szx }: QBlock2Transfer): number {
  return Math.max(1, Math.ceil(response.payload.length / 2 ** (szx + 4)));
}
