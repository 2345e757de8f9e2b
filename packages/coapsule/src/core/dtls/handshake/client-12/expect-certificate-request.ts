/**
 * Client, flight 4: CertificateRequest, when the server wants to know who we are; else ServerHelloDone comes here.
 *
 * @module
 */

import { isDecodeFault } from '../decode-fault.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { decodeCertificateRequest } from '../messages/certificate-request.ts';
import { ExpectServerHelloDone } from './expect-server-hello-done.ts';
import type { SignedExchange } from './server-exchange.ts';

/** The server's key exchange is signed. */
export class ExpectCertificateRequest implements HandshakeState {
  readonly name = 'ExpectCertificateRequest';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [HandshakeType.CertificateRequest, HandshakeType.ServerHelloDone];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #parameters: HandshakeParameters;
  readonly #exchange: SignedExchange;

  constructor(parameters: HandshakeParameters, exchange: SignedExchange) {
    this.#parameters = parameters;
    this.#exchange = exchange;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type === HandshakeType.ServerHelloDone) {
      return new ExpectServerHelloDone(this.#parameters, this.#exchange).handle(input, context);
    }
    if (message.type !== HandshakeType.CertificateRequest) return context.failUnexpected(this, message);
    const request = decodeCertificateRequest(message.body);
    if (isDecodeFault(request)) return context.failMalformed(message, request);
    context.transcript.add(message);
    return new ExpectServerHelloDone(this.#parameters, { ...this.#exchange, request });
  }
}
