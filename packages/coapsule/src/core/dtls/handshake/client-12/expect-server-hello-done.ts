/**
 * Client, end of flight 4: ServerHelloDone. Now the application is asked for identity and key.
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
import { AwaitPskCredential, type ServerEcdhKey } from './await-psk-credential.ts';

/** The hint is known, if there is one. */
export class ExpectServerHelloDone implements HandshakeState {
  readonly name = 'ExpectServerHelloDone';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [HandshakeType.ServerHelloDone];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #parameters: HandshakeParameters;
  readonly #hint: Uint8Array;
  readonly #ecdh: ServerEcdhKey | undefined;

  constructor(parameters: HandshakeParameters, hint: Uint8Array, ecdh: ServerEcdhKey | undefined) {
    this.#parameters = parameters;
    this.#hint = hint;
    this.#ecdh = ecdh;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.ServerHelloDone) return context.failUnexpected(this, message);
    if (message.body.length > 0) {
      return context.failMalformed(message, handshakeFault(0, 'ServerHelloDone is not empty'));
    }
    context.transcript.add(message);
    // RFC 5489 §2: with ECDHE_PSK a server without a hint sends an empty one.
    context.askForPsk(this.#hint.length > 0 ? { hint: this.#hint } : {});
    return new AwaitPskCredential(this.#parameters, this.#ecdh);
  }
}
