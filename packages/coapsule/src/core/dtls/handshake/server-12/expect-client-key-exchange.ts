/**
 * Server, flight 5: ClientKeyExchange names the identity, and with ECDHE_PSK brings the client's public key.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import type { KeyShare } from '../../../foundation/crypto-provider.ts';
import { AlertDescription } from '../../alert.ts';
import { isDecodeFault } from '../decode-fault.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { decodeClientKeyExchange } from '../messages/client-key-exchange.ts';
import { AwaitPskKey } from './await-psk-key.ts';

/** Longest identity in bytes that is looked up; RFC 4279 §5.3 asks for 128. It is kept with the association. */
const maxIdentityLength = 1024;

/** Flight 4 is sent; the client's key exchange comes next. */
export class ExpectClientKeyExchange implements HandshakeState {
  readonly name = 'ExpectClientKeyExchange';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [HandshakeType.ClientKeyExchange];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #parameters: HandshakeParameters;
  readonly #keyShare: KeyShare | undefined;

  constructor(parameters: HandshakeParameters, keyShare: KeyShare | undefined) {
    this.#parameters = parameters;
    this.#keyShare = keyShare;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.ClientKeyExchange) return context.failUnexpected(this, message);
    const exchange = decodeClientKeyExchange(message.body, this.#parameters.suite.keyExchange);
    if (isDecodeFault(exchange)) return context.failMalformed(message, exchange);
    let sharedSecret: Uint8Array | undefined;
    if (this.#keyShare !== undefined && exchange.publicKey !== undefined) {
      sharedSecret = this.#keyShare.agree(exchange.publicKey);
      if (sharedSecret === undefined) {
        return context.fail({
          cause: 'illegal-parameter',
          detail: "ClientKeyExchange: the client's public key is not valid for its group (RFC 8422 §5.11)",
          alert: AlertDescription.IllegalParameter,
        });
      }
    }
    context.transcript.add(message);
    const sessionHash = context.transcript.digest();
    if (exchange.identity.length > maxIdentityLength) {
      // Goes on like any unknown one, so that the limit tells nothing.
      const unknown = new AwaitPskKey(this.#parameters, noBytes, sharedSecret, sessionHash);
      return unknown.handle({ kind: 'psk-answer', answer: undefined }, context);
    }
    const identity = exchange.identity.slice();
    context.askForPsk({ identity });
    return new AwaitPskKey(this.#parameters, identity, sharedSecret, sessionHash);
  }
}
