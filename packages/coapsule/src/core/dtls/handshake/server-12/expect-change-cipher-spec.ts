/**
 * Server, flight 5: the client's ChangeCipherSpec, after which it protects what it sends (RFC 5246 §7.1).
 *
 * @module
 */

import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeResult,
  HandshakeState,
} from '../handshake-context.ts';
import { ExpectFinished } from './expect-finished.ts';

/** Keys are known; reading with them begins with ChangeCipherSpec and not before. */
export class ExpectChangeCipherSpec implements HandshakeState {
  readonly name = 'ExpectChangeCipherSpec';
  // A Finished in the clear would be a forgery: it waits in vain.
  readonly takes = 'nothing';
  readonly expects: readonly number[] = [];
  readonly takesChangeCipherSpec = true;
  readonly waitsForApplication = false;
  readonly #results: readonly HandshakeResult[];

  /** @param results As of `ExpectFinished`. */
  constructor(results: readonly HandshakeResult[]) {
    this.#results = results;
  }

  handle(input: HandshakeInput, _context: HandshakeContext): HandshakeState {
    if (input.kind !== 'change-cipher-spec') return this;
    return new ExpectFinished(this.#results);
  }
}
