/**
 * A value that may be there already: what a handler returns at once is answered at once, without a turn of the event loop.
 *
 * @module
 */

/** A value, or the promise of one. */
export type Eventual<Value> = Value | Promise<Value>;

/** Whether a value is still to come. Whatever has a `then`, as for `await`. */
export function isPending<Value>(eventual: Eventual<Value>): eventual is Promise<Value> {
  return typeof (eventual as { readonly then?: unknown } | undefined)?.then === 'function';
}
