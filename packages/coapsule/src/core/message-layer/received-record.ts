/**
 * What is remembered of one received message, and the list it is in.
 *
 * RFC 7252 §4.5. Changed by `deduplication.ts`, but for `state`, which `message-layer.ts` and `message-reception.ts` change too.
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import type { Instant } from '../foundation/instant.ts';
import type { ReplyHandle } from './message-layer-output.ts';

/**
 * What was done about the first copy.
 *
 * `in-progress` nothing yet · `acknowledged` an Empty ACK · `answered` its answer is stored ·
 * `repeatable` answered, and the answer not kept · `reset` a Reset. Copies of a NON are absorbed in any
 * state, so that of a NON request does not change.
 */
export type RecordState = 'in-progress' | 'acknowledged' | 'answered' | 'repeatable' | 'reset';

/** One received message. It is also the handle by which a request is replied to. */
export interface ReceivedRecord extends ReplyHandle {
  state: RecordState;
  /** Whether the request may change something at the server. False for responses. */
  readonly unsafe: boolean;
  answerCode: Code;
  /** Options and payload of the answer, as bytes. */
  answerTail: Uint8Array;
  /** A reply went out, piggybacked or not. */
  replied: boolean;
  /** Whether `Deduplication` holds it. */
  stored: boolean;
  readonly length: number;
  readonly digestHigh: number;
  readonly digestLow: number;
  readonly lapses: Instant;
  bytes: number;
  list: RecordList | undefined;
  previous: ReceivedRecord | undefined;
  next: ReceivedRecord | undefined;
  /** Another record of this peer with the same Message ID. */
  sameId: ReceivedRecord | undefined;
}

/** Records in the order in which they lapse. */
export interface RecordList {
  readonly droppable: boolean;
  first: ReceivedRecord | undefined;
  last: ReceivedRecord | undefined;
}

/** An empty list. */
export function newList(droppable: boolean): RecordList {
  return { droppable, first: undefined, last: undefined };
}

/** Whether a request may still be carried out, and a copy of it come; those of a NON are not sent on purpose. */
export function isOpen(record: ReceivedRecord): boolean {
  return record.unsafe && record.type === 'CON' && !record.replied;
}
