/**
 * Client, flight 6: the server's ChangeCipherSpec, after which it protects what it sends (RFC 5246 §7.1).
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

/** Flight 5 is sent. */
export class ExpectChangeCipherSpec implements HandshakeState {
  readonly name = 'ExpectChangeCipherSpec';
  readonly takes = 'nothing';
  readonly expects: readonly number[] = [];
  readonly takesChangeCipherSpec = true;
  readonly waitsForApplication = false;
  readonly #result: HandshakeResult;

  constructor(result: HandshakeResult) {
    this.#result = result;
  }

  handle(input: HandshakeInput, _context: HandshakeContext): HandshakeState {
    if (input.kind !== 'change-cipher-spec') return this;
    return new ExpectFinished(this.#result);
  }
}
