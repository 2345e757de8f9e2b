/**
 * Client, before flight 1: there is a session to go on with; the application says whether its server still is the right
 * one, or its credential still the same.
 *
 * @module
 */

import type { ClientSession } from '../../session/client-sessions.ts';
import type { HandshakeContext, HandshakeInput, HandshakeState } from '../handshake-context.ts';
import { confirmed } from '../session-check.ts';
import { type ClientOffer, withSession } from './client-offer.ts';
import { sendFirstHello } from './send-first-hello.ts';

/** A refusal means a full handshake, which says what is wrong. */
export class AwaitSessionCheck implements HandshakeState {
  readonly name = 'AwaitSessionCheck';
  readonly takes = 'nothing';
  readonly expects: readonly number[] = [];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = true;
  readonly #offer: ClientOffer;
  readonly #known: ClientSession;

  constructor(offer: ClientOffer, known: ClientSession) {
    this.#offer = offer;
    this.#known = known;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'psk-answer' && input.kind !== 'peer-verdict') return this;
    const found = confirmed(context, this.#known.session, input);
    if (found !== undefined) {
      const { session } = found;
      return sendFirstHello(context, withSession(context, this.#offer, { ...this.#known, session }));
    }
    context.sessionsAsClient.forget(this.#known.session.serverName);
    return sendFirstHello(context, this.#offer);
  }
}
