/**
 * The bodies that the application hands over as they are sent: what it is asked for, and who waits for it.
 *
 * RFC 7959 §2: a body is cut into blocks; which block is due is for the waiting ones to say. That nothing is asked
 * for before it is wanted is the back-pressure towards the application.
 *
 * @module
 */

import type { Instant } from '../foundation/instant.ts';
import type { OutputQueue } from '../foundation/output-queue.ts';
import type { BodySlice, BodySource, OutgoingBody } from './outgoing-body.ts';
import type { RequestResponseOutput } from './outputs.ts';

/** Who waits for a block of a body. */
export interface BodyWaiter {
  readonly ready: (slice: BodySlice, now: Instant) => void;
  /** The block cannot be had: `detail` says why, in words. */
  readonly failed: (detail: string, now: Instant) => void;
}

interface Waiting extends BodyWaiter {
  readonly offset: number;
  readonly size: number;
}

interface Supplied {
  readonly body: OutgoingBody;
  readonly waiting: Waiting[];
}

/** All bodies that are being handed over. */
export class BodySupply {
  readonly #outputs: OutputQueue<RequestResponseOutput>;
  readonly #bodies = new Map<BodySource, Supplied>();

  constructor(outputs: OutputQueue<RequestResponseOutput>) {
    this.#outputs = outputs;
  }

  /** Number of bodies that are not released. */
  get size(): number {
    return this.#bodies.size;
  }

  /** Calls `waiter` with the block of `size` bytes at `offset`: at once if it is there, else when it has come. */
  want(body: OutgoingBody, offset: number, size: number, waiter: BodyWaiter, now: Instant): void {
    const slice = body.slice(offset, size);
    if (slice !== undefined) {
      waiter.ready(slice, now);
      return;
    }
    const { source } = body;
    if (source === undefined || !body.reaches(offset) || body.endsBefore(offset)) {
      waiter.failed(`byte ${offset} of the body cannot be had any more`, now);
      return;
    }
    const supplied = this.#bodies.get(source) ?? { body, waiting: [] };
    this.#bodies.set(source, supplied);
    supplied.waiting.push({ ...waiter, offset, size });
    this.#ask(source, supplied);
  }

  /** Takes bytes from the application. Those of a body that was released are ignored. */
  provide(source: BodySource, bytes: Uint8Array, last: boolean, now: Instant): void {
    const supplied = this.#bodies.get(source);
    if (supplied === undefined) return;
    const fault = supplied.body.provide(bytes, last);
    if (fault !== undefined) {
      this.fail(source, fault, now);
      return;
    }
    // Only the first is looked at: two that wait far from each other would each throw away what the other needs.
    for (let first = supplied.waiting[0]; first !== undefined; first = supplied.waiting[0]) {
      const slice = supplied.body.slice(first.offset, first.size);
      if (slice === undefined) {
        if (!supplied.body.endsBefore(first.offset) && supplied.body.reaches(first.offset)) break;
        supplied.waiting.shift();
        first.failed(`byte ${first.offset} of the body cannot be had`, now);
        continue;
      }
      supplied.waiting.shift();
      first.ready(slice, now);
    }
    if (this.#bodies.get(source) === supplied) this.#ask(source, supplied);
  }

  /** The application cannot go on with a body. */
  fail(source: BodySource, detail: string, now: Instant): void {
    const supplied = this.#bodies.get(source);
    if (supplied === undefined) return;
    this.release(supplied.body);
    for (const waiter of supplied.waiting.splice(0)) waiter.failed(detail, now);
  }

  /** Nothing of a body is wanted any more; those who wait for it hear nothing. */
  release(body: OutgoingBody | undefined): void {
    const source = body?.source;
    if (source === undefined) return;
    body?.abandon();
    this.#bodies.delete(source);
    this.#outputs.push({ kind: 'body-released', source });
  }

  /** Nothing is wanted of any body any more. */
  releaseAll(): void {
    for (const { body } of this.#bodies.values()) this.release(body);
  }

  /** The application's body of a response that nobody waits for. */
  refuse(source: BodySource | undefined): void {
    if (source !== undefined) this.#outputs.push({ kind: 'body-released', source });
  }

  #ask(source: BodySource, { body, waiting }: Supplied): void {
    const [first] = waiting;
    if (first === undefined) return;
    const wish = body.want(first.offset, first.size);
    if (wish !== undefined) this.#outputs.push({ kind: 'body-wanted', source, ...wish });
  }
}
