/**
 * Client, end of flight 4: ServerHelloDone. Now the application is asked: for identity and key, or whether the server
 * is who it should be.
 *
 * @module
 */

import { handshakeFault } from '../decode-fault.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { AwaitPeerVerification } from './await-peer-verification.ts';
import { AwaitPskCredential } from './await-psk-credential.ts';
import type { PskExchange, SignedExchange } from './server-exchange.ts';

/** All else of flight 4 is taken. */
export class ExpectServerHelloDone implements HandshakeState {
  readonly name = 'ExpectServerHelloDone';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [HandshakeType.ServerHelloDone];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #parameters: HandshakeParameters;
  readonly #exchange: PskExchange | SignedExchange;

  constructor(parameters: HandshakeParameters, exchange: PskExchange | SignedExchange) {
    this.#parameters = parameters;
    this.#exchange = exchange;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.ServerHelloDone) return context.failUnexpected(this, message);
    if (message.body.length > 0) {
      return context.failMalformed(message, handshakeFault(0, 'ServerHelloDone is not empty'));
    }
    context.transcript.add(message);
    const exchange = this.#exchange;
    if (exchange.kind === 'psk') {
      context.askForPsk(exchange.hint.length > 0 ? { hint: exchange.hint } : {});
      return new AwaitPskCredential(this.#parameters, exchange);
    }
    const { serverName } = this.#parameters;
    const { credential } = exchange.peer;
    context.askToVerifyPeer(serverName === undefined ? { credential } : { credential, serverName });
    return new AwaitPeerVerification(this.#parameters, exchange);
  }
}
