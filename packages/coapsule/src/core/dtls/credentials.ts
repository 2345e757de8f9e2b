/**
 * What the two sides of an association prove themselves with: pre-shared keys, certificates, raw public keys.
 *
 * Types only. Chains are validated by the application with `core/x509/`, as the answer to `verify-peer`; keys of
 * identities are looked up as the answer to `psk-lookup`.
 *
 * @module
 */

import type { SigningKey } from '../foundation/crypto-provider.ts';

/** Values of the TLS Certificate Types registry that are spoken here (RFC 7250 §4). */
export type CertificateType = 'x509' | 'raw-public-key';

/** A certificate of our own (RFC 5246 §7.4.2). */
export interface CertificateCredential {
  /** DER, the own certificate first, each certified by the one after it; the trust anchor may be left out. */
  readonly chain: readonly Uint8Array[];
  /** The key of the first certificate. */
  readonly key: SigningKey;
}

/** A raw public key of our own (RFC 7250 §3): the SubjectPublicKeyInfo of `key`. */
export interface RawPublicKeyCredential {
  readonly key: SigningKey;
}

/** How one side may prove itself and what it takes as proof. */
export interface EndpointCredentials {
  /** Whether pre-shared keys are spoken; the keys come by `psk-lookup`. */
  readonly psk: boolean;
  readonly certificate?: CertificateCredential;
  readonly rawPublicKey?: RawPublicKeyCredential;
  /** What the peer may authenticate itself with by a signature, the preferred first; empty when nothing. */
  readonly peerTypes: readonly CertificateType[];
  /** Server: whether a client has to show a certificate or raw public key, may, or is not asked. */
  readonly clientAuthentication: 'required' | 'requested' | 'none';
}

/** What the peer showed, to be judged by the application. */
export type PresentedCredential =
  /** DER, the peer's own first; at least one, at most 10. Only that the first one parses is known. */
  | { readonly kind: 'x509'; readonly chain: readonly Uint8Array[] }
  /** A SubjectPublicKeyInfo in DER. */
  | { readonly kind: 'raw-public-key'; readonly publicKey: Uint8Array };

/** What the peer has proved itself with. `none` is a client without a certificate, at a server that allows it. */
export type PeerAuthentication =
  | { readonly kind: 'psk' }
  /** DER of the peer's own certificate. */
  | { readonly kind: 'x509'; readonly certificate: Uint8Array }
  | { readonly kind: 'raw-public-key'; readonly publicKey: Uint8Array }
  | { readonly kind: 'none' };
