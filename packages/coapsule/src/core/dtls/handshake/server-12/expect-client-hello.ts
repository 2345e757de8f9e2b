/**
 * Server, flight 3: a ClientHello whose cookie was good is answered with what we choose.
 *
 * Does not check the cookie: `cookie-exchange.ts` does, before there is a state.
 *
 * @module
 */

import { isDecodeFault } from '../decode-fault.ts';
import type { HandshakeContext, HandshakeInput, HandshakeState } from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { decodeClientHello } from '../messages/client-hello.ts';
import { askAgain } from '../session-check.ts';
import { answerClientHello } from './answer-client-hello.ts';
import { AwaitSessionCheck } from './await-session-check.ts';
import { recallSession } from './recall-session.ts';

/** Waits for the rest of a fragmented ClientHello, or gets the whole one at once. */
export class ExpectClientHello implements HandshakeState {
  readonly name = 'ExpectClientHello';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [HandshakeType.ClientHello];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.ClientHello) return context.failUnexpected(this, message);
    const hello = decodeClientHello(message.body);
    if (isDecodeFault(hello)) return context.failMalformed(message, hello);
    const recalled = recallSession(hello, context);
    if (recalled !== undefined && 'cause' in recalled) return context.fail(recalled);
    return recalled !== undefined && askAgain(context, recalled.session)
      ? new AwaitSessionCheck(message, hello, recalled)
      : answerClientHello(context, message, hello, recalled);
  }
}
