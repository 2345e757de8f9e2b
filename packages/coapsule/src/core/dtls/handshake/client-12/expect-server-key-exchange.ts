/**
 * Client, flight 4: ServerKeyExchange brings the hint of PSK and, but for plain PSK, the server's public key, signed
 * where the server has shown a certificate or raw public key.
 *
 * Plain PSK without a hint has none (RFC 4279 §2): then ServerHelloDone comes here.
 *
 * @module
 */

import { noBytes } from '../../../foundation/bytes.ts';
import { AlertDescription } from '../../alert.ts';
import { isDecodeFault } from '../decode-fault.ts';
import { signatureSchemeOf } from '../extensions/signature-algorithms.ts';
import { namedGroups } from '../extensions/supported-groups.ts';
import type {
  FailureOfState,
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import {
  decodeServerKeyExchange,
  type ServerKeyExchange,
  signedParams,
} from '../messages/server-key-exchange.ts';
import type { PeerKey } from '../peer-credential.ts';
import { ExpectCertificateRequest } from './expect-certificate-request.ts';
import { ExpectServerHelloDone } from './expect-server-hello-done.ts';
import type { ServerEcdhKey } from './server-exchange.ts';

/** ServerHello is taken, and the Certificate where the suite has one. */
export class ExpectServerKeyExchange implements HandshakeState {
  readonly name = 'ExpectServerKeyExchange';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [
    HandshakeType.ServerKeyExchange,
    HandshakeType.CertificateRequest,
    HandshakeType.ServerHelloDone,
  ];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #parameters: HandshakeParameters;
  readonly #peer: PeerKey | undefined;

  /** @param peer What the server showed; `undefined` with PSK suites. */
  constructor(parameters: HandshakeParameters, peer: PeerKey | undefined) {
    this.#parameters = parameters;
    this.#peer = peer;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    const { keyExchange } = this.#parameters.suite;
    if (message.type === HandshakeType.ServerHelloDone && keyExchange === 'PSK') {
      const done = new ExpectServerHelloDone(this.#parameters, { kind: 'psk', hint: noBytes });
      return done.handle(input, context);
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
    if (this.#peer !== undefined) {
      const proved = context.checkKey(message, () => this.#checkSignature(exchange) ?? exchange);
      if (proved === undefined) return this;
    }
    context.transcript.add(message);
    if (this.#peer !== undefined && ecdh !== undefined) {
      return new ExpectCertificateRequest(this.#parameters, { kind: 'signed', ecdh, peer: this.#peer });
    }
    const hint = exchange.hint.slice();
    return new ExpectServerHelloDone(this.#parameters, {
      kind: 'psk',
      hint,
      ...(ecdh === undefined ? {} : { ecdh }),
    });
  }

  /** RFC 8422 §5.4: the signature is over both randoms and the parameters. */
  #checkSignature({ ecdh, signed }: ServerKeyExchange): FailureOfState | undefined {
    if (this.#peer === undefined || ecdh === undefined || signed === undefined) return undefined;
    const { key } = this.#peer;
    const scheme = signatureSchemeOf(signed.scheme, key.type);
    if (scheme === undefined) {
      return {
        cause: 'illegal-parameter',
        detail: `ServerKeyExchange: signature scheme 0x${signed.scheme.toString(16)} was not offered, or is not for a key of type ${key.type}`,
        alert: AlertDescription.IllegalParameter,
      };
    }
    const { clientRandom, serverRandom } = this.#parameters;
    if (key.verify(scheme, signed.signature, clientRandom, serverRandom, signedParams(ecdh))) {
      return undefined;
    }
    return {
      cause: 'bad-signature',
      detail: 'ServerKeyExchange is not signed with the key that the server showed',
      alert: AlertDescription.DecryptError,
    };
  }
}
