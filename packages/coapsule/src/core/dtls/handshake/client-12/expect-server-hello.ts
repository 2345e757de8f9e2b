/**
 * Client, flights 2 → 3 and 4: a HelloVerifyRequest is answered with its cookie; a ServerHello says what the
 * server chose.
 *
 * @module
 */

import { equalBytes } from '../../../foundation/bytes.ts';
import { AlertDescription } from '../../alert.ts';
import { signsKeyExchange } from '../../cipher-suites.ts';
import type { SessionState } from '../../session/session-state.ts';
import { isDecodeFault } from '../decode-fault.ts';
import { keysOfMasterSecret } from '../derive-keys.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import type { HandshakeMessage } from '../message-header.ts';
import { type ClientHello, encodeClientHello } from '../messages/client-hello.ts';
import { decodeHelloVerifyRequest } from '../messages/hello-verify-request.ts';
import { decodeServerHello } from '../messages/server-hello.ts';
import { checkServerHello } from './check-server-hello.ts';
import type { ClientOffer } from './client-offer.ts';
import { ExpectCertificate } from './expect-certificate.ts';
import { ExpectChangeCipherSpec } from './expect-change-cipher-spec.ts';
import { ExpectNewSessionTicket } from './expect-new-session-ticket.ts';
import { ExpectServerKeyExchange } from './expect-server-key-exchange.ts';

/**
 * Most ClientHellos of one handshake: fewer than their answers' numbers have room for in the reassembly. With the timers
 * of RFC 6347 the next cookie after them has come after 31 s, the last one of five that were answered by another.
 */
const maxClientHellos = 6;

/** A ClientHello as it was sent. */
interface SentHello {
  readonly hello: ClientHello;
  readonly message: HandshakeMessage;
}

/**
 * A ClientHello is sent; the server asks for its cookie back, or answers.
 *
 * Anybody can send a HelloVerifyRequest. So the first one is answered at once, and another cookie only when the
 * flight timer expires, which shows that the ClientHello with the one before went unanswered. All that were sent
 * are kept: the server may have taken any of them, and its ServerHello tells which.
 */
export class ExpectServerHello implements HandshakeState {
  readonly name = 'ExpectServerHello';
  // Servers without state number their first answers in different ways.
  readonly takes = 'first-answer';
  readonly expects: readonly number[] = [
    HandshakeType.HelloVerifyRequest,
    HandshakeType.ServerHello,
    HandshakeType.NewSessionTicket,
    HandshakeType.Certificate,
    HandshakeType.ServerKeyExchange,
    HandshakeType.CertificateRequest,
    HandshakeType.ServerHelloDone,
  ];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #offer: ClientOffer;
  readonly #sent: SentHello[];
  #latest: SentHello;
  /** The cookie that came last, when it is not the one we sent last. */
  #otherCookie: Uint8Array | undefined;

  constructor(offer: ClientOffer, message: HandshakeMessage) {
    this.#offer = offer;
    this.#latest = { hello: offer.hello, message };
    this.#sent = [this.#latest];
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    return input.message.type === HandshakeType.HelloVerifyRequest
      ? this.#handleHelloVerifyRequest(input.message, context)
      : this.#handleServerHello(input.message, context);
  }

  handleTimerExpired(context: HandshakeContext): void {
    const cookie = this.#otherCookie;
    if (cookie === undefined) return;
    this.#otherCookie = undefined;
    const hello = this.#withCookie(cookie, context);
    if (hello === undefined) {
      context.fail({
        cause: 'cookie-loop',
        detail: `the server answered each of ${this.#sent.length} ClientHellos with another cookie (HelloVerifyRequest)`,
        alert: AlertDescription.UserCanceled,
      });
      return;
    }
    this.#latest = hello;
    context.changeFlight(3, [{ kind: 'message', message: hello.message, epoch: 0 }]);
  }

  #handleHelloVerifyRequest(message: HandshakeMessage, context: HandshakeContext): HandshakeState {
    const request = decodeHelloVerifyRequest(message.body);
    if (isDecodeFault(request)) return this;
    // RFC 6347 §4.2.1: its version tells the packet format only, so it is not compared with anything.
    if (this.#sent.length > 1) {
      const isLatest = equalBytes(request.cookie, this.#latest.hello.cookie);
      this.#otherCookie = isLatest ? undefined : request.cookie.slice();
      return this;
    }
    if (request.cookie.length === 0) return this;
    const hello = this.#withCookie(request.cookie.slice(), context);
    if (hello === undefined) return this;
    this.#latest = hello;
    context.sendFlight(3, [{ kind: 'message', message: hello.message, epoch: 0 }]);
    return this;
  }

  /** The ClientHello with this cookie: the one sent before, or a new one while there is room for its number. */
  #withCookie(cookie: Uint8Array, context: HandshakeContext): SentHello | undefined {
    const before = this.#sent.find(({ hello }) => equalBytes(hello.cookie, cookie));
    if (before !== undefined) return before;
    if (this.#sent.length >= maxClientHellos) return undefined;
    const hello: ClientHello = { ...this.#latest.hello, cookie };
    const message = {
      type: HandshakeType.ClientHello,
      messageSeq: context.nextMessageSeq(),
      body: encodeClientHello(hello),
    };
    const sent = { hello, message };
    this.#sent.push(sent);
    return sent;
  }

  #handleServerHello(message: HandshakeMessage, context: HandshakeContext): HandshakeState {
    if (message.type !== HandshakeType.ServerHello) return context.failUnexpected(this, message);
    const answer = decodeServerHello(message.body);
    if (isDecodeFault(answer)) return context.failMalformed(message, answer);
    const parameters = checkServerHello(answer, this.#offer, context);
    if ('cause' in parameters) return context.fail(parameters);
    const answered =
      this.#sent.find((sent) => sent.message.messageSeq === message.messageSeq) ?? this.#latest;
    context.continueAfter(answered.message.messageSeq);
    context.transcript.add(answered.message);
    context.transcript.add(message);
    context.agree(parameters);
    if (parameters.session.resumed !== undefined)
      return goOn(context, parameters, parameters.session.resumed);
    return signsKeyExchange(parameters.suite)
      ? new ExpectCertificate(parameters)
      : new ExpectServerKeyExchange(parameters, undefined);
  }
}

/** The server took our session: the keys are known, and the rest of its flight is protected but for a ticket. */
function goOn(
  context: HandshakeContext,
  parameters: HandshakeParameters,
  { identity, proof, masterSecret }: SessionState,
): HandshakeState {
  context.installKeys(keysOfMasterSecret(context, parameters, masterSecret));
  const result = { parameters, identity, proof, masterSecret };
  return parameters.session.isTicketPromised
    ? new ExpectNewSessionTicket(result)
    : new ExpectChangeCipherSpec(result);
}
