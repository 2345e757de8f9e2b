/**
 * Client: the NewSessionTicket that the ServerHello promised, before the server's ChangeCipherSpec (RFC 5077 §3.3).
 *
 * It is kept only when the server's Finished proves it.
 *
 * @module
 */

import { isDecodeFault } from '../decode-fault.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeResult,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { decodeNewSessionTicket } from '../messages/new-session-ticket.ts';
import { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';

/** A full handshake's flight 5 is sent, or ServerHello says that a session goes on. */
export class ExpectNewSessionTicket implements HandshakeState {
  readonly name = 'ExpectNewSessionTicket';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [HandshakeType.NewSessionTicket];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #result: HandshakeResult;

  constructor(result: HandshakeResult) {
    this.#result = result;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.NewSessionTicket) return context.failUnexpected(this, message);
    const decoded = decodeNewSessionTicket(message.body);
    if (isDecodeFault(decoded)) return context.failMalformed(message, decoded);
    context.transcript.add(message);
    const newTicket = { ...decoded, ticket: decoded.ticket.slice() };
    return new ExpectChangeCipherSpec({ ...this.#result, newTicket });
  }
}
