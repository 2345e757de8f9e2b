/**
 * Client, end of flight 6: the server's Finished proves that it has the key and saw what we saw. Where a session goes
 * on, it comes in flight 4 and is answered with ours (RFC 5246 §7.3).
 *
 * @module
 */

import { equalBytesConstantTime } from '../../../foundation/bytes.ts';
import { AlertDescription } from '../../alert.ts';
import { finishedBody } from '../derive-keys.ts';
import { FlightComposition } from '../flight-composition.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeResult,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { rememberSession } from './remember-session.ts';

/** Only the server's Finished, in epoch 1, ends this state well. */
export class ExpectFinished implements HandshakeState {
  readonly name = 'ExpectFinished';
  readonly takes = 'epoch-1';
  readonly expects: readonly number[] = [HandshakeType.Finished];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #result: HandshakeResult;

  constructor(result: HandshakeResult) {
    this.#result = result;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.Finished) return context.failUnexpected(this, message);
    const { parameters, masterSecret } = this.#result;
    const expected = finishedBody(context, parameters, masterSecret, 'server');
    if (!equalBytesConstantTime(message.body, expected)) {
      return context.fail({
        cause: 'transcript-mismatch',
        detail:
          "the server's Finished is protected with the right key, but does not match the messages seen here",
        alert: AlertDescription.DecryptError,
      });
    }
    if (parameters.session.resumed !== undefined) {
      context.transcript.add(message);
      const flight = new FlightComposition(context);
      flight.addFinished(parameters, masterSecret);
      flight.send(5);
    }
    rememberSession(context, this.#result);
    return context.establish(this.#result);
  }
}
