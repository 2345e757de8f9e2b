/**
 * Client, flight 4: the server's Certificate, with a chain or a raw public key (RFC 5246 §7.4.2, RFC 7250 §4).
 *
 * It is judged at the end of the flight; here only its key is taken out, since the next message is signed with it.
 *
 * @module
 */

import type { PublicKeyType } from '../../../foundation/crypto-provider.ts';
import { AlertDescription } from '../../alert.ts';
import { isDecodeFault } from '../decode-fault.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { decodeCertificate } from '../messages/certificate.ts';
import { keyOfCredential } from '../peer-credential.ts';
import { ExpectServerKeyExchange } from './expect-server-key-exchange.ts';

/** ServerHello chose a suite with signatures. */
export class ExpectCertificate implements HandshakeState {
  readonly name = 'ExpectCertificate';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [
    HandshakeType.Certificate,
    HandshakeType.ServerKeyExchange,
    HandshakeType.CertificateRequest,
    HandshakeType.ServerHelloDone,
  ];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #parameters: HandshakeParameters;

  constructor(parameters: HandshakeParameters) {
    this.#parameters = parameters;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.Certificate) return context.failUnexpected(this, message);
    const { certificateTypes, suite } = this.#parameters;
    const credential = decodeCertificate(message.body, certificateTypes.server);
    if (credential === undefined) {
      return context.refuse({
        cause: 'illegal-parameter',
        detail: 'Certificate: the server shows none (RFC 5246 §7.4.2)',
        alert: AlertDescription.IllegalParameter,
      });
    }
    if (isDecodeFault(credential)) return context.failMalformed(message, credential);
    const peer = context.checkKey(message, () => keyOfCredential(context, credential));
    if (peer === undefined) return this;
    if (!signsInSuite(peer.key.type, suite.keyExchange === 'ECDHE_RSA')) {
      return context.refuse({
        cause: 'illegal-parameter',
        detail: `Certificate: a key of type ${peer.key.type} does not go with ${suite.name} (RFC 8422 §2)`,
        alert: AlertDescription.IllegalParameter,
      });
    }
    context.transcript.add(message);
    return new ExpectServerKeyExchange(this.#parameters, peer);
  }
}

/** RFC 8422 §2.1: ECDSA and EdDSA go with ECDHE_ECDSA. */
function signsInSuite(type: PublicKeyType, isRsa: boolean): boolean {
  return (type === 'rsa') === isRsa;
}
