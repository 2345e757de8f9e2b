/**
 * The handle of one received message, by which a request is replied to and copies are recognised.
 *
 * RFC 7252 §4.5. What is remembered of the message for its lifetime is not this object but a place in `record-store.ts`, so
 * that an answered request leaves nothing on the heap. Changed by `deduplication.ts` alone.
 *
 * @module
 */

import type { ReplyHandle } from './message-layer-output.ts';

/**
 * What was done about the first copy.
 *
 * `in-progress` nothing yet · `acknowledged` an Empty ACK · `answered` its answer is stored ·
 * `repeatable` answered, and the answer not kept · `reset` a Reset. Copies of a NON are absorbed in any
 * state, so that of a NON request does not change.
 */
export type RecordState = (typeof recordStates)[number];

/** Each state has its number in `record-store.ts` from here. */
export const recordStates = ['in-progress', 'acknowledged', 'answered', 'repeatable', 'reset'] as const;

/** One received message. */
export interface ReceivedRecord extends ReplyHandle {
  /** As far as this handle knows; `Deduplication.stateOf` knows what copies have brought about. */
  state: RecordState;
  /** Whether the request may change something at the server. False for responses. */
  readonly unsafe: boolean;
  /** Whether it may go for others once a reply has gone out, whatever the request may have changed. */
  isForgettable: boolean;
  /** Where it is remembered; `noPlace` when there was no room. */
  place: number;
  /** Which of the messages that had that place, one after the other, it is. */
  use: number;
}
