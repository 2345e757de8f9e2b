/**
 * Server, flight 3: the session that the client names is known; the application says whether its peer still is.
 *
 * @module
 */

import type { RecalledSession } from '../../session/server-sessions.ts';
import type { HandshakeContext, HandshakeInput, HandshakeState } from '../handshake-context.ts';
import type { HandshakeMessage } from '../message-header.ts';
import type { ClientHello } from '../messages/client-hello.ts';
import { confirmed } from '../session-check.ts';
import { answerClientHello } from './answer-client-hello.ts';

/** A refusal means a full handshake: the ClientHello is good for either. */
export class AwaitSessionCheck implements HandshakeState {
  readonly name = 'AwaitSessionCheck';
  readonly takes = 'nothing';
  readonly expects: readonly number[] = [];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = true;
  readonly #message: HandshakeMessage;
  readonly #hello: ClientHello;
  readonly #recalled: RecalledSession;

  constructor(message: HandshakeMessage, hello: ClientHello, recalled: RecalledSession) {
    this.#message = message;
    this.#hello = hello;
    this.#recalled = recalled;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'psk-answer' && input.kind !== 'peer-verdict') return this;
    const found = confirmed(context, this.#recalled.session, input);
    return answerClientHello(context, this.#message, this.#hello, found && { ...this.#recalled, ...found });
  }
}
