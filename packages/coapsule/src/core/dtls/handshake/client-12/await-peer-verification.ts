/**
 * Client, flight 4 → 5: when the application knows the server for the right one, our half of the key exchange is sent,
 * with a certificate or raw public key of our own if the server asked for one.
 *
 * @module
 */

import type { PublicKeyType } from '../../../foundation/crypto-provider.ts';
import type {
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { type CertificateRequest, ClientCertificateType } from '../messages/certificate-request.ts';
import { chooseOwnProof, type OwnProof } from '../own-proof.ts';
import { rejection } from '../peer-credential.ts';
import { agreeWith, sendKeyExchange } from './send-key-exchange.ts';
import type { SignedExchange } from './server-exchange.ts';

/** The server's flight is complete; the application judges what it showed. */
export class AwaitPeerVerification implements HandshakeState {
  readonly name = 'AwaitPeerVerification';
  readonly takes = 'nothing';
  readonly expects: readonly number[] = [];
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = true;
  readonly #parameters: HandshakeParameters;
  readonly #exchange: SignedExchange;

  constructor(parameters: HandshakeParameters, exchange: SignedExchange) {
    this.#parameters = parameters;
    this.#exchange = exchange;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'peer-verdict') return this;
    const { verdict } = input;
    if (!verdict.accepted) return context.fail(rejection(verdict));
    const { ecdh, peer, request } = this.#exchange;
    const agreement = agreeWith(context, ecdh);
    if ('cause' in agreement) return context.fail(agreement);
    return sendKeyExchange(context, this.#parameters, {
      ...(request === undefined ? {} : { proof: this.#proof(context, request) ?? 'none' }),
      exchange: { publicKey: agreement.publicKey },
      premaster: agreement.sharedSecret,
      identity: verdict.identity,
      peerProof: peer.credential,
    });
  }

  #proof(context: HandshakeContext, request: CertificateRequest): OwnProof | undefined {
    return chooseOwnProof(
      context.config.credentials,
      [this.#parameters.certificateTypes.client],
      request.signatureSchemes,
      (type) => request.certificateTypes.includes(certificateTypeOf(type)),
    );
  }
}

/** RFC 8422 §3: Ed25519 counts as ecdsa_sign. */
function certificateTypeOf(type: PublicKeyType): number {
  return type === 'rsa' ? ClientCertificateType.RsaSign : ClientCertificateType.EcdsaSign;
}
