/**
 * What a client knows of the server's part of the key exchange. Types only.
 *
 * @module
 */

import type { NamedGroup } from '../../../foundation/crypto-provider.ts';
import type { CertificateRequest } from '../messages/certificate-request.ts';
import type { PeerKey } from '../peer-credential.ts';

/** The server's ephemeral key of a group we know. */
export interface ServerEcdhKey {
  readonly group: NamedGroup;
  readonly publicKey: Uint8Array;
}

/** The server's part of a key exchange with a pre-shared key. */
export interface PskExchange {
  readonly kind: 'psk';
  /** Empty when there is none (RFC 5489 §2). */
  readonly hint: Uint8Array;
  /** With ECDHE_PSK. */
  readonly ecdh?: ServerEcdhKey;
}

/** The server's part of a key exchange that it signed. */
export interface SignedExchange {
  readonly kind: 'signed';
  readonly ecdh: ServerEcdhKey;
  readonly peer: PeerKey;
  /** When the server wants us to show something as well. */
  readonly request?: CertificateRequest;
}
