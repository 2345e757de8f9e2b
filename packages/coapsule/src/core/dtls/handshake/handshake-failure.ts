/**
 * Why a handshake ended without an association.
 *
 * @module
 */

import type { CertificateFailureCause } from '../../x509/certificate-failure.ts';
import type { AlertDescription } from '../alert.ts';
import type { TranscriptDatagram } from './transcript-datagram.ts';

/**
 * The cause, as exact as this side can know it.
 *
 * - `unknown-identity`, `psk-mismatch`: server only; on the wire they look alike (RFC 4279 §5.3).
 * - `identity-or-key`: client only; the server does not say which.
 * - `transcript-mismatch`: keys agree, but the two sides saw different messages: someone changed one.
 * - `no-common-…`: the end that chooses knows which; the other one says what it had offered.
 * - `certificate-…`, `unknown-ca`, `unknown-public-key`: of the peer's credential, or, when `alertReceived` is there,
 *   of ours: the peer said so.
 * - `credential-refused`: the peer does not accept our credential and does not say more.
 * - `peer-silent`: nothing (more) came; the detail says how far it went.
 * - `mtu-too-large`: small datagrams come through, large ones do not.
 * - `cookie-loop`: each ClientHello was answered by another HelloVerifyRequest.
 * - `peer-refused`: the application does not accept what the peer has proved.
 * - `no-decision`: the application did not say in time which key there is, or whether the peer is accepted.
 * - `too-many-attempts`: too many wrong keys or unknown identities came from there; it has to wait.
 * - `version-too-old`: the peer speaks nothing newer than DTLS 1.0.
 */
export type HandshakeFailureCause =
  | 'unknown-identity'
  | 'psk-mismatch'
  | 'identity-or-key'
  | 'transcript-mismatch'
  | 'no-credentials'
  | 'no-common-suite'
  | 'no-common-group'
  | 'no-common-signature-scheme'
  | 'no-common-certificate-type'
  | 'no-common-protocol'
  | 'unknown-server-name'
  | 'no-extended-master-secret'
  | CertificateFailureCause
  | 'peer-refused'
  | 'credential-refused'
  | 'bad-signature'
  | 'client-certificate-missing'
  | 'peer-silent'
  | 'mtu-too-large'
  | 'version-too-old'
  | 'cookie-loop'
  | 'unsupported-extension'
  | 'unexpected-message'
  | 'illegal-parameter'
  | 'malformed-message'
  | 'alert-received'
  | 'no-decision'
  | 'too-many-attempts'
  | 'replaced'
  | 'capacity'
  | 'cancelled';

/** One failure. */
export interface HandshakeFailure {
  readonly cause: HandshakeFailureCause;
  /** A sentence for a log; holds no key material. */
  readonly detail: string;
  /** The description of the alert that was received, when one was. */
  readonly alertReceived?: number;
  /** The description of the alert that was sent, when one was. */
  readonly alertSent?: AlertDescription;
  /** Who sent what, and when: the datagrams of the handshake, oldest first. A server keeps nothing of flights 1 and 2. */
  readonly transcript?: readonly TranscriptDatagram[];
}
