/**
 * Why a handshake ended without an association.
 *
 * @module
 */

import type { AlertDescription } from '../alert.ts';

/**
 * The cause, as exact as this side can know it.
 *
 * - `psk-identity-unknown`, `psk-mismatch`: server only; on the wire they look alike (RFC 4279 §5.3).
 * - `identity-unknown-or-key-wrong`: client only; the server does not say which.
 * - `transcript-mismatch`: keys agree, but the two sides saw different messages: someone changed one.
 */
export type HandshakeFailureCause =
  | 'psk-identity-unknown'
  | 'psk-mismatch'
  | 'identity-unknown-or-key-wrong'
  | 'transcript-mismatch'
  | 'no-credentials'
  | 'no-common-cipher-suite'
  | 'no-common-group'
  | 'protocol-version'
  | 'extended-master-secret-missing'
  | 'unsupported-extension'
  | 'unexpected-message'
  | 'illegal-parameter'
  | 'malformed-message'
  | 'alert-received'
  | 'timeout'
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
}
