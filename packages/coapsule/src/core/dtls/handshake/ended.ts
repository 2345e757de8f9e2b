/**
 * The state after the last one: the handshake is over, well or not, and takes nothing any more.
 *
 * @module
 */

import type { HandshakeState } from './handshake-context.ts';

/** The end of every handshake; how it ended is told to the context. */
export class Ended implements HandshakeState {
  readonly name = 'Ended';
  readonly takes = 'nothing';
  readonly expects: readonly number[] = [];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;

  handle(): HandshakeState {
    return this;
  }
}
