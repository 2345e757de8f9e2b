/**
 * Client, flight 4: ServerKeyExchange brings the hint and, with ECDHE_PSK, the server's public key.
 *
 * Plain PSK without a hint has none (RFC 4279 §2): then ServerHelloDone comes here.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { AlertDescription } from '../../alert.ts';
import { isDecodeFault } from '../decode-fault.ts';
import { namedGroups } from '../extensions/supported-groups.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { decodeServerKeyExchange } from '../messages/server-key-exchange.ts';
import type { ServerEcdhKey } from './await-psk-credential.ts';
import { ExpectServerHelloDone } from './expect-server-hello-done.ts';

/** ServerHello is taken. */
export class ExpectServerKeyExchange implements HandshakeState {
  readonly name = 'ExpectServerKeyExchange';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [HandshakeType.ServerKeyExchange, HandshakeType.ServerHelloDone];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #parameters: HandshakeParameters;

  constructor(parameters: HandshakeParameters) {
    this.#parameters = parameters;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    const { keyExchange } = this.#parameters.suite;
    if (message.type === HandshakeType.ServerHelloDone && keyExchange === 'PSK') {
      return new ExpectServerHelloDone(this.#parameters, noBytes, undefined).handle(input, context);
    }
    if (message.type !== HandshakeType.ServerKeyExchange) return context.failUnexpected(this, message);
    const exchange = decodeServerKeyExchange(message.body, keyExchange);
    if (isDecodeFault(exchange)) return context.failMalformed(message, exchange);
    let ecdh: ServerEcdhKey | undefined;
    if (exchange.ecdh !== undefined) {
      const { group, publicKey } = exchange.ecdh;
      const named = namedGroups.find(({ value }) => value === group);
      if (named === undefined) {
        return context.fail({
          cause: 'no-common-group',
          detail: `ServerKeyExchange: group 0x${group.toString(16)} was not offered (RFC 8422 §5.4)`,
          alert: AlertDescription.IllegalParameter,
        });
      }
      ecdh = { group: named.name, publicKey: publicKey.slice() };
    }
    context.transcript.add(message);
    return new ExpectServerHelloDone(this.#parameters, exchange.hint.slice(), ecdh);
  }
}
