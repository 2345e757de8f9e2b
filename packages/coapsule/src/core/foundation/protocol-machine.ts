/**
 * The contract every protocol machine keeps: bytes and the time go in, values come out.
 *
 * @module
 */

import type { Instant } from './instant.ts';

/**
 * A machine without input or output of its own.
 *
 * After each `handle` or `handleTimeout` (and each command of the concrete machine) the caller drains
 * `poll` until it returns `undefined`, and then asks `nextTimeout`.
 */
export interface ProtocolMachine<Input, Output> {
  /** Takes one input. Never throws for anything a peer sent. */
  handle(input: Input, now: Instant): void;
  /** Runs what is due. Calling it early or late does no harm. */
  handleTimeout(now: Instant): void;
  /** The next output, oldest first. */
  poll(): Output | undefined;
  /** When `handleTimeout` wants to be called, or `undefined` when nothing is pending. */
  nextTimeout(): Instant | undefined;
}
