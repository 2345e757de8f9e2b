/**
 * Server, flight 5: the client's Certificate, which was asked for (RFC 5246 §7.4.6, RFC 7250 §4).
 *
 * It may be empty. Otherwise it is judged after CertificateVerify has shown that the client has the key.
 *
 * @module
 */

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
import { decodeCertificate } from '../messages/certificate.ts';
import { keyOfCredential } from '../peer-credential.ts';
import { ExpectClientKeyExchange } from './expect-client-key-exchange.ts';

/** Flight 4 is sent, with a CertificateRequest. */
export class ExpectCertificate implements HandshakeState {
  readonly name = 'ExpectCertificate';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [
    HandshakeType.Certificate,
    HandshakeType.ClientKeyExchange,
    HandshakeType.CertificateVerify,
  ];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #parameters: HandshakeParameters;
  readonly #keyShare: KeyShare | undefined;
  readonly #isRequired: boolean;

  constructor(parameters: HandshakeParameters, keyShare: KeyShare | undefined, isRequired: boolean) {
    this.#parameters = parameters;
    this.#keyShare = keyShare;
    this.#isRequired = isRequired;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.Certificate) return context.failUnexpected(this, message);
    const credential = decodeCertificate(message.body, this.#parameters.certificateTypes.client);
    if (credential === undefined) {
      if (this.#isRequired) {
        return context.refuse({
          cause: 'client-certificate-missing',
          detail: 'the client shows no certificate, and one is required here',
          alert: AlertDescription.HandshakeFailure,
        });
      }
      context.transcript.add(message);
      return new ExpectClientKeyExchange(this.#parameters, this.#keyShare, undefined);
    }
    if (isDecodeFault(credential)) return context.failMalformed(message, credential);
    const peer = context.checkKey(message, () => keyOfCredential(context, credential));
    if (peer === undefined) return this;
    context.transcript.add(message);
    return new ExpectClientKeyExchange(this.#parameters, this.#keyShare, peer);
  }
}
