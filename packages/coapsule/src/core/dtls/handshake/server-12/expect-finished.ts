/**
 * Server, flight 5 → 6: the client's Finished proves that it has the key and saw what we saw. Where a session goes on,
 * that was the end (RFC 5246 §7.3).
 *
 * One that cannot be opened does not come here: it is counted by the machine, since anybody can send one.
 *
 * @module
 */

import { equalBytesConstantTime } from '../../../foundation/bytes.ts';
import { InvariantError } from '../../../foundation/errors.ts';
import { AlertDescription } from '../../alert.ts';
import { finishedBody } from '../derive-keys.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeResult,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { sendLastFlight } from './send-last-flight.ts';

/** Only the client's Finished, in epoch 1, ends this state well. */
export class ExpectFinished implements HandshakeState {
  readonly name = 'ExpectFinished';
  readonly takes = 'epoch-1';
  readonly expects: readonly number[] = [HandshakeType.Finished];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #results: readonly HandshakeResult[];

  /** @param results By the index of the installed keys; those of keys that are not derived yet come in later. */
  constructor(results: readonly HandshakeResult[]) {
    this.#results = results;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.Finished) return context.failUnexpected(this, message);
    const result = this.#results[context.installedIndex];
    if (result === undefined) throw new InvariantError('a Finished under keys that were not derived');
    const { parameters, masterSecret } = result;
    // That of the first is in the key log already; that of another one only now that the client has it.
    if (context.installedIndex > 0) context.logMasterSecret(parameters.clientRandom, masterSecret);
    const { sessionId, resumed } = parameters.session;
    const expected = finishedBody(context, parameters, masterSecret, 'client');
    if (!equalBytesConstantTime(message.body, expected)) {
      // RFC 5246 §7.2.2: what a fatal alert ends must not go on.
      if (resumed !== undefined) context.sessionsAsServer.forget(sessionId);
      return context.fail({
        cause: 'transcript-mismatch',
        detail:
          "the client's Finished is protected with the right key, but does not match the messages seen here",
        alert: AlertDescription.DecryptError,
      });
    }
    if (resumed === undefined) {
      context.transcript.add(message);
      sendLastFlight(context, result);
    } else {
      context.sessionsAsServer.noteResumed(sessionId);
    }
    return context.establish(result);
  }
}
