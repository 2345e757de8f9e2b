/**
 * Client, flight 4 → 5: with identity and key from the application, our half of the key exchange is sent.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { AlertDescription } from '../../alert.ts';
import { pskPremasterSecret } from '../../key-schedule/prf-12.ts';
import { pskDigest } from '../../session/session-state.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { agreeWith, sendKeyExchange } from './send-key-exchange.ts';
import type { PskExchange } from './server-exchange.ts';

/** The server's flight is complete; the application picks the credential. */
export class AwaitPskCredential implements HandshakeState {
  readonly name = 'AwaitPskCredential';
  readonly takes = 'nothing';
  readonly expects: readonly number[] = [];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = true;
  readonly #parameters: HandshakeParameters;
  readonly #exchange: PskExchange;

  constructor(parameters: HandshakeParameters, exchange: PskExchange) {
    this.#parameters = parameters;
    this.#exchange = exchange;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'psk-answer') return this;
    if (input.answer === undefined) {
      return context.fail({
        cause: 'no-credentials',
        detail: 'there is no identity and key for this server',
        alert: AlertDescription.HandshakeFailure,
      });
    }
    const { identity = noBytes, key } = input.answer;
    const { ecdh } = this.#exchange;
    const agreement = ecdh === undefined ? undefined : agreeWith(context, ecdh);
    if (agreement !== undefined && 'cause' in agreement) return context.fail(agreement);
    return sendKeyExchange(context, this.#parameters, {
      exchange: agreement === undefined ? { identity } : { identity, publicKey: agreement.publicKey },
      premaster: pskPremasterSecret(key, agreement?.sharedSecret),
      identity,
      peerProof: { kind: 'psk', keyDigest: pskDigest(context.crypto, key), hint: this.#exchange.hint },
    });
  }
}
