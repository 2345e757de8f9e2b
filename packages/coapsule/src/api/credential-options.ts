/**
 * Certificates and raw public keys as clients and servers are given them, and what a peer's look like to their hooks.
 *
 * Types only. Keys and certificates may be PEM text, DER bytes or Node's own objects; everything is read and checked
 * when the client or listener is made.
 *
 * @module
 */

import type { PeerAddress } from '../core/foundation/peer-address.ts';
import type { readPublicKey, readSigningKey } from '../crypto/node-credentials.ts';
import type { CertificateInfo, PublicKeyInfo } from './certificate-info.ts';

/** PEM text (of a file, with any number of certificates), DER bytes, or Node's X509Certificate. */
export type CertificateInput = string | Uint8Array | { readonly raw: Uint8Array };

/** PEM text, DER bytes (PKCS #8, SEC 1, PKCS #1), or Node's KeyObject. */
export type PrivateKeyInput = Parameters<typeof readSigningKey>[0];

/**
 * PEM text, DER bytes (SubjectPublicKeyInfo), or Node's KeyObject; a certificate stands for its key. Where a key is only
 * to be recognised, its fingerprint does: `sha256:` and 64 hexadecimal digits.
 */
export type PublicKeyInput = Parameters<typeof readPublicKey>[0];

/** A certificate of our own (RFC 5280) and its key. */
export interface CertificateOptions {
  /**
   * The own certificate first, then those that certify it; the trust anchor may be left out. One PEM text may hold
   * them all.
   */
  readonly chain: CertificateInput | readonly CertificateInput[];
  readonly privateKey: PrivateKeyInput;
  /** Of an encrypted PEM or DER key. */
  readonly passphrase?: string;
}

/** A key pair that stands for itself (RFC 7250): the peer has to know the public key. */
export interface RawPublicKeyOptions {
  readonly privateKey: PrivateKeyInput;
  /** Of an encrypted PEM or DER key. */
  readonly passphrase?: string;
}

/** Certificates of authorities, or `'system'` for those that the system trusts. */
export type TrustAnchors = 'system' | CertificateInput | readonly CertificateInput[];

/**
 * A certificate that is not accepted whoever signed it: by its SHA-256 fingerprint in hexadecimal digits, with or
 * without colons, or by its serial number in hexadecimal digits, best together with its issuer. A fingerprint counts for
 * both forms that an ECDSA signature can be written in.
 */
export type DeniedCertificate =
  | string
  | {
      readonly serialNumber: string;
      /** The issuer's name as `CertificateInfo.issuer` has it; without it any issuer. */
      readonly issuer?: string;
    };

/** A peer that has passed the checks that the options ask for, and has the private key of what it showed. */
export interface CheckedPeer {
  readonly address: PeerAddress;
  /** Client: the host of the URI. */
  readonly host: string | undefined;
  /** Client: the name that was asked for; server: the name that the client asked for (RFC 6066 §3). */
  readonly serverName: string | undefined;
  /**
   * What the peer will be called unless the hook says otherwise. Empty for a certificate without a name for a device: such
   * a client is refused unless the hook gives it one.
   */
  readonly identity: string;
  readonly certificate: CertificateInfo | undefined;
  /** The key of the certificate, or the raw public key. */
  readonly publicKey: PublicKeyInfo;
  /**
   * DER of the certificates from the peer's own one to the trust anchor; empty for a raw public key. The own one alone for
   * an association that was kept.
   */
  readonly chain: readonly Uint8Array[];
}

/** Who a client is, and what the application wants to remember of how it knows. */
export interface PeerMatch {
  readonly identity: string;
  /** Kept with the association as `PeerSecurity.context`; never looked into. */
  readonly context?: unknown;
}

/** `true` or a match accepts the peer, `false` or nothing refuses it, and so does a rejection. */
export type PeerDecision = boolean | PeerMatch | undefined;

/**
 * A decision of the application on top of all checks. It can refuse what they accept, never the other way round. Asked
 * for certificates and raw public keys, in each handshake and when a session is resumed; pre-shared keys are judged by
 * their look-up.
 */
export type VerifyPeer = (peer: CheckedPeer) => PeerDecision | Promise<PeerDecision>;

/** What clients and servers have in common. */
export interface CredentialOptions {
  /** The own certificate. */
  readonly certificate?: CertificateOptions;
  /** The own raw public key; used where the peer understands it, beside a certificate too. */
  readonly rawPublicKey?: RawPublicKeyOptions;
  /**
   * Certificates that are refused although a trust anchor vouches for them, in each handshake, and also those of kept
   * associations (`associationStore`) and with `dangerouslySkipVerification`.
   */
  readonly deniedCertificates?: readonly DeniedCertificate[];
  readonly verifyPeer?: VerifyPeer;
}

/** Public keys that are known beforehand, or where to find those of a server. */
export type PeerPublicKeys =
  | PublicKeyInput
  | readonly PublicKeyInput[]
  | ((server: {
      readonly host: string;
      readonly port: number;
    }) => readonly PublicKeyInput[] | Promise<readonly PublicKeyInput[]>);

/** How a client knows its servers. */
export interface ClientCredentialOptions extends CredentialOptions {
  /**
   * Who vouches for servers with a certificate. By default the authorities that the system trusts, when the client
   * has a certificate and no `peerPublicKeys`; others say `'system'` if they want them.
   */
  readonly trustAnchors?: TrustAnchors;
  /**
   * Raw public keys of servers (RFC 7250): only these are accepted, and no certificate unless there are `trustAnchors`
   * too.
   */
  readonly peerPublicKeys?: PeerPublicKeys;
  /**
   * Takes any server for the right one, whatever it shows. Everybody on the way can then read and change everything.
   */
  readonly dangerouslySkipVerification?: boolean;
}

/** Which client certificates a server takes. */
export interface ClientCertificateOptions {
  /**
   * Who vouches for clients. There is no default: the authorities that the system trusts issue to everyone.
   *
   * A certificate of a device may be here to be trusted by itself; but when it says that it is a CA, as those of
   * `openssl req -x509` do, its key can issue certificates for other devices. For such use `clientPublicKeys`.
   */
  readonly trustAnchors: TrustAnchors;
}

/** Identities and their raw public keys, or where to find who has a key. */
export type ClientPublicKeys =
  | ReadonlyMap<string, PublicKeyInput>
  | ((key: PublicKeyInfo) => PeerMatch | undefined | Promise<PeerMatch | undefined>);

/** What a server shows under a name (RFC 6066 §3); the other options count for all names. */
export interface NamedCredentials {
  readonly certificate?: CertificateOptions;
  readonly rawPublicKey?: RawPublicKeyOptions;
}

/** How a server knows its clients. */
export interface ServerCredentialOptions extends CredentialOptions {
  /** Clients with a certificate. */
  readonly clientCertificates?: ClientCertificateOptions;
  /** Clients with a raw public key (RFC 7250). Asked at each handshake, so that changes count at once. */
  readonly clientPublicKeys?: ClientPublicKeys;
  /**
   * Whether a client that does not use a pre-shared key has to show a certificate or raw public key. By default
   * `required` with `clientCertificates` or `clientPublicKeys`, else `none`: then anybody may connect, and
   * `PeerSecurity.authentication` is `none`. With `psk` beside a `certificate` or `rawPublicKey`, `none` has to be said.
   */
  readonly clientAuthentication?: 'required' | 'requested' | 'none';
  /** What is shown to clients that ask for another name than the one `certificate` is for. */
  readonly serverNames?: Readonly<Record<string, NamedCredentials>> | ReadonlyMap<string, NamedCredentials>;
  /** Refuses clients that ask for a name that is not in `serverNames`. */
  readonly requireServerName?: boolean;
}
