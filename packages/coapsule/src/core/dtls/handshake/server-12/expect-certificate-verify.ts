/**
 * Server, flight 5: CertificateVerify proves that the client has the key it showed (RFC 5246 §7.4.8). Then the
 * application is asked whose key it is.
 *
 * @module
 */

import { AlertDescription } from '../../alert.ts';
import { isDecodeFault } from '../decode-fault.ts';
import type { DerivedKeys } from '../derive-keys.ts';
import { signatureSchemeOf } from '../extensions/signature-algorithms.ts';
import type {
  FailureOfState,
  HandshakeContext,
  HandshakeInput,
  HandshakeParameters,
  HandshakeState,
} from '../handshake-context.ts';
import { HandshakeType } from '../handshake-type.ts';
import { decodeCertificateVerify } from '../messages/certificate-verify.ts';
import type { PeerKey } from '../peer-credential.ts';
import { AwaitPeerVerification } from './await-peer-verification.ts';

const badSignature: FailureOfState = {
  cause: 'bad-signature',
  detail: 'CertificateVerify is not made with the key that the client showed, or not over what was seen here',
  alert: AlertDescription.DecryptError,
};

/** The client has shown a certificate or raw public key. */
export class ExpectCertificateVerify implements HandshakeState {
  readonly name = 'ExpectCertificateVerify';
  readonly takes = 'epoch-0';
  readonly expects: readonly number[] = [HandshakeType.CertificateVerify];
  // A client that skips the proof gets nowhere (CVE-2020-2655).
  readonly takesChangeCipherSpec = false;
  readonly waitsForApplication = false;
  readonly #parameters: HandshakeParameters;
  readonly #keys: DerivedKeys;
  readonly #peer: PeerKey;

  constructor(parameters: HandshakeParameters, keys: DerivedKeys, peer: PeerKey) {
    this.#parameters = parameters;
    this.#keys = keys;
    this.#peer = peer;
  }

  handle(input: HandshakeInput, context: HandshakeContext): HandshakeState {
    if (input.kind !== 'message') return this;
    const { message } = input;
    if (message.type !== HandshakeType.CertificateVerify) return context.failUnexpected(this, message);
    const signed = decodeCertificateVerify(message.body);
    if (isDecodeFault(signed)) return context.failMalformed(message, signed);
    const { credential, key } = this.#peer;
    const scheme = signatureSchemeOf(signed.scheme, key.type);
    if (scheme === undefined) {
      return context.refuse({
        cause: 'illegal-parameter',
        detail: `CertificateVerify: signature scheme 0x${signed.scheme.toString(16)} was not asked for, or is not for a key of type ${key.type}`,
        alert: AlertDescription.IllegalParameter,
      });
    }
    const proof = context.checkKey(message, () =>
      key.verify(scheme, signed.signature, ...context.transcript.messages) ? signed : badSignature,
    );
    if (proof === undefined) return this;
    context.transcript.add(message);
    const { serverName } = this.#parameters;
    context.askToVerifyPeer(serverName === undefined ? { credential } : { credential, serverName });
    return new AwaitPeerVerification(this.#parameters, this.#keys, credential);
  }
}
