/**
 * A request body in Q-Blocks on its way to a server: which blocks go when.
 *
 * RFC 9177 §4.3, §5, §7.1 and §7.2, the client's side. Non-confirmable blocks go MAX_PAYLOADS at a time, then pause for
 * NON_TIMEOUT_RANDOM or until the server says Continue; what the server lacks goes again. Confirmable ones go as those
 * before are acknowledged. Sends nothing itself; the server's side is in `q-block1-bodies.ts`.
 *
 * @module
 */

import { type BlockOption, blockSize } from '../coap/block-option.ts';
import { after, type Instant } from '../foundation/instant.ts';
import { type QBlockParameters, timeToWaitMs } from './q-block-parameters.ts';

/** How a body is to go. */
export interface QUploadManner {
  readonly parameters: QBlockParameters;
  /** Names the body (§4.3). */
  readonly requestTag: Uint8Array;
  readonly szx: number;
  readonly confirmable: boolean;
  /** Nobody knows yet whether the server takes Q-Blocks: the first block, Confirmable, finds out (§4.1). */
  readonly tries: boolean;
  /** NON_TIMEOUT_RANDOM of this body. */
  readonly pauseMs: number;
  /** How long the response is waited for when all blocks are there. */
  readonly patienceMs: number;
  /** The last block may go again when nothing comes: no operation is carried out twice by a server that forgot the first. */
  readonly mayRepeat: boolean;
}

/** A request body on its way to a server. Methods return the numbers of blocks to send, in order. */
export class QBlock1Upload {
  readonly manner: QUploadManner;
  readonly #payload: Uint8Array;
  readonly #total: number;
  /** All blocks below were sent. */
  #next = 0;
  /** Blocks the server lacks, ascending, to be sent before any new one (§7.2). */
  #again: number[] = [];
  /** Confirmable blocks not acknowledged. */
  #outstanding = 0;
  #tries: boolean;
  /** How often the last block went again for want of an answer. */
  #repeated = 0;
  /** The lowest number that a list of missing blocks began with, and how many lists in a row did. */
  #lowest = -1;
  #stuck = 0;
  #deadline: Instant | undefined;

  constructor(payload: Uint8Array, manner: QUploadManner) {
    this.manner = manner;
    this.#payload = payload;
    this.#tries = manner.tries;
    this.#total = Math.max(1, Math.ceil(payload.length / blockSize(manner.szx)));
  }

  /** When `expire` wants to be called. */
  get deadline(): Instant | undefined {
    return this.#deadline;
  }

  /** Bytes of the body: Size1 of each block (§4.6). */
  get length(): number {
    return this.#payload.length;
  }

  /** The option of a block (§4.3: when it goes again, the same). */
  block(num: number): BlockOption {
    return { num, more: num < this.#total - 1, szx: this.manner.szx };
  }

  /** The bytes of a block: a view of the body. */
  payload(num: number): Uint8Array {
    const size = blockSize(this.manner.szx);
    return this.#payload.subarray(num * size, (num + 1) * size);
  }

  /** The set that was begun goes out only now: its deadline, anew. */
  restart(now: Instant): Instant | undefined {
    if (this.#isLeft) this.#deadline = after(now, this.manner.pauseMs);
    else this.#awaitAnswer(now);
    return this.#deadline;
  }

  /** Begins. */
  begin(now: Instant): readonly number[] {
    return this.manner.confirmable ? this.#fill(now) : this.#sendSet(now);
  }

  /**
   * A Confirmable block was acknowledged. What goes next is due at once, but by the deadline: the acknowledgement may bring
   * a response that says otherwise.
   */
  acknowledged(now: Instant): void {
    if (!this.manner.confirmable) return;
    this.#tries = false;
    this.#outstanding = Math.max(0, this.#outstanding - 1);
    if (this.#isLeft) this.#deadline = now;
    else if (this.#outstanding === 0) this.#deadline = after(now, this.manner.patienceMs);
  }

  /** 2.31: all blocks up to `num` are there (§4.3). */
  continued(num: number, now: Instant): readonly number[] {
    if (this.manner.confirmable) return [];
    this.#repeated = 0;
    this.#again = this.#again.filter((missing) => missing > num);
    // §7.2: for the latest block sent, the next set may go at once. An earlier one was late.
    return num === this.#next - 1 && this.#next < this.#total ? this.#sendSet(now) : [];
  }

  /**
   * 4.08 with a list of missing blocks, ascending. Those that were not sent yet are passed over: they go in their turn.
   *
   * @returns `undefined` when the server has asked for the same block too often.
   */
  missing(listed: readonly number[], now: Instant): readonly number[] | undefined {
    const numbers = listed.filter((num) => num < this.#next);
    const [first] = numbers;
    if (first === undefined) return [];
    this.#repeated = 0;
    this.#stuck = first > this.#lowest ? 0 : this.#stuck + 1;
    this.#lowest = Math.max(first, this.#lowest);
    if (this.#stuck > mostInVain) return undefined;
    // Blocks below the first one listed have arrived.
    const again = new Set([...this.#again.filter((num) => num > first), ...numbers]);
    this.#again = [...again].sort((a, b) => a - b);
    return this.manner.confirmable ? this.#fill(now) : this.#sendSet(now);
  }

  /** Sends one block once more, as the server wanted something else in its request. */
  repeat(num: number): readonly number[] {
    if (this.manner.confirmable) this.#outstanding++;
    return [num];
  }

  /** What is due at the deadline; `undefined` when no answer is to be expected any more. */
  expire(now: Instant): readonly number[] | undefined {
    if (this.#isLeft) return this.manner.confirmable ? this.#fill(now) : this.#sendSet(now);
    const { mayRepeat, parameters, confirmable } = this.manner;
    if (!mayRepeat || confirmable || this.#repeated >= parameters.nonMaxRetransmit) return undefined;
    // §4.3: a block that comes again is answered as the first time: with what was lost, or with what is missing.
    this.#repeated++;
    this.#awaitAnswer(now);
    return [this.#total - 1];
  }

  /** Whether there are blocks to send. */
  get #isLeft(): boolean {
    return this.#again.length > 0 || this.#next < this.#total;
  }

  /** The blocks that are missing, of one set (§7.2), or the next set. */
  #sendSet(now: Instant): readonly number[] {
    const { maxPayloads } = this.manner.parameters;
    const numbers = this.#takeSet(maxPayloads);
    if (this.#isLeft) this.#deadline = after(now, this.manner.pauseMs);
    else this.#awaitAnswer(now);
    return numbers;
  }

  #takeSet(maxPayloads: number): number[] {
    const [missing] = this.#again;
    const setOf = (num: number): number => Math.floor(num / maxPayloads);
    if (missing !== undefined) {
      const numbers = this.#again.filter((num) => setOf(num) === setOf(missing));
      this.#again = this.#again.slice(numbers.length);
      return numbers;
    }
    const from = this.#next;
    this.#next = Math.min((setOf(from) + 1) * maxPayloads, this.#total);
    return Array.from({ length: this.#next - from }, (_, i) => from + i);
  }

  /** Confirmable blocks: as many as may be on their way. How many of them go at once is for NSTART (§7.1). */
  #fill(now: Instant): readonly number[] {
    const most = this.#tries ? 1 : this.manner.parameters.maxPayloads;
    const numbers: number[] = [];
    while (this.#outstanding < most) {
      const num = this.#again.shift() ?? (this.#next < this.#total ? this.#next++ : undefined);
      if (num === undefined) break;
      this.#outstanding++;
      numbers.push(num);
    }
    // As long as something is to be acknowledged, that ends or times out.
    this.#deadline = this.#outstanding > 0 ? undefined : after(now, this.manner.patienceMs);
    return numbers;
  }

  #awaitAnswer(now: Instant): void {
    const { parameters, pauseMs, patienceMs, mayRepeat } = this.manner;
    // The server asks for what is missing after NON_RECEIVE_TIMEOUT itself: it comes first.
    const waitMs = mayRepeat ? timeToWaitMs(parameters, this.#repeated) + pauseMs : patienceMs;
    this.#deadline = after(now, waitMs);
  }
}

/** Lists of missing blocks in a row that begin with the same block, or with one before. */
const mostInVain = 16;
