/**
 * Who is at the other end, as handlers and callers see it.
 *
 * @module
 */

import type { CoapTransport } from '../core/coap/uri.ts';
import type { CipherSuiteName } from '../core/dtls/cipher-suites.ts';
import type { PeerAuthentication } from '../core/dtls/credentials.ts';
import type { Connected } from '../core/dtls/dtls-layer.ts';
import { recordOverhead } from '../core/dtls/record-overhead.ts';
import type { OscorePeer } from '../core/endpoint/protected-messages.ts';
import { toHex } from '../core/foundation/bytes.ts';
import { InvariantError, isDecodeFault } from '../core/foundation/errors.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { randomBytes } from '../core/foundation/random-source.ts';
import { decodeUtf8 } from '../core/foundation/utf8.ts';
import { recentCertificate } from '../core/x509/recent-certificates.ts';
import { systemRandom } from '../node/system-random.ts';
import {
  type CertificateInfo,
  certificateInfo,
  type PublicKeyInfo,
  publicKeyInfo,
} from './certificate-info.ts';
import { contextOf, type OscoreContext } from './oscore-context.ts';

/** How a peer is protected, and who it has proved to be. */
export type PeerSecurity =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'dtls';
      /**
       * Who the client is, on either side of a PSK association: its identity as text, or `0x` and its hexadecimal
       * digits when it is not UTF-8. Of a peer with a certificate or raw public key, its own name: what its
       * certificate, the look-up or the hook says; the host for a server. Empty for a client that showed nothing.
       */
      readonly identity: string;
      readonly identityBytes: Uint8Array;
      readonly suite: CipherSuiteName;
      /** Whether the master secret is bound to the handshake (RFC 7627). */
      readonly extendedMasterSecret: boolean;
      /** What the peer has proved itself with. */
      readonly authentication: PeerProof;
      /** The first moment at which a certificate of the peer, or of those that vouch for it, does not hold any more. */
      readonly certificateExpiresAt: Date | undefined;
      /** Whether an earlier session went on (RFC 5077, RFC 5246 §7.3): the proof is the one of then. */
      readonly resumed: boolean;
      /** Whether the association was taken over as an earlier process had left it: there was no handshake. */
      readonly imported: boolean;
      /** Bytes of the connection ids (RFC 9146) in records to us and to the peer; `undefined`: not negotiated. */
      readonly connectionIdLengths: { readonly own: number; readonly peer: number } | undefined;
      /** Bytes that a record has more than its content: header, nonce, authentication tag, connection id. */
      readonly recordOverhead: { readonly sent: number; readonly received: number };
      /** The application protocol that was agreed on (RFC 7301). */
      readonly protocol: string | undefined;
      /** The name that the client asked for (RFC 6066 §3). */
      readonly serverName: string | undefined;
      /** Names this association; never the same for two associations, also over restarts. */
      readonly association: string;
      /** What the server's key look-up gave along with the key; `undefined` on a client. */
      readonly context: unknown;
    }
  | TlsSecurity;

/** What TLS says of a peer; fields that `dtls` has too mean the same there. */
export interface TlsSecurity {
  readonly kind: 'tls';
  readonly identity: string;
  readonly identityBytes: Uint8Array;
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly version: string;
  /** By its IANA name, such as `TLS_AES_128_GCM_SHA256`. */
  readonly suite: string;
  readonly authentication: PeerProof;
  readonly certificateExpiresAt: Date | undefined;
  readonly protocol: string | undefined;
  readonly serverName: string | undefined;
  /** Names this connection; never the same for two, also over restarts. */
  readonly association: string;
  readonly context: unknown;
}

/** How a peer has proved who it is. */
export type PeerProof =
  | { readonly kind: 'psk' }
  | { readonly kind: 'x509'; readonly certificate: CertificateInfo }
  | { readonly kind: 'raw-public-key'; readonly publicKey: PublicKeyInfo }
  /** A client that showed nothing, at a server that allows it. */
  | { readonly kind: 'none' };

/** The remote endpoint of an exchange. */
export interface PeerInfo {
  readonly address: PeerAddress;
  /**
   * What carries the messages; of a `serial` line the address is the line itself, `serial:/dev/ttyUSB0` with port 0. `local` is
   * a request from within the process (`Server.request`).
   */
  readonly transport: CoapTransport | 'serial' | 'local';
  /** Of the hop, which may be a proxy's. */
  readonly security: PeerSecurity;
  /** Who protected the request from end to end (RFC 8613); absent when nobody did. */
  readonly oscore?: OscoreContext;
}

/** The sender of a request, with the context that vouches for it, if one does. */
export function withContext(
  sender: PeerInfo,
  protection: Pick<OscorePeer, 'security'> | undefined,
): PeerInfo {
  const oscore = contextOf(protection?.security);
  return oscore === undefined ? sender : { ...sender, oscore };
}

/** A PSK identity for people: its text, or hexadecimal digits when it is not UTF-8 or not printable. */
export function identityText(identity: Uint8Array): string {
  const text = decodeUtf8(identity);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must not reach a log
  return text === undefined || /[\u0000-\u001f\u007f-\u009f]/.test(text) ? `0x${toHex(identity)}` : text;
}

/** Association numbers start again with each process and each endpoint: this tells them apart. */
const processName = toHex(randomBytes(systemRandom, 8));
let endpoints = 0;

/** What the names of an endpoint's associations begin with. */
export function newAssociationPrefix(): string {
  return `${processName}-${++endpoints}`;
}

/** What the application knows of an association beyond what the handshake says. */
export interface AssociationNotes {
  /** What it was called in an earlier process. */
  readonly name?: string;
  readonly context?: unknown;
  /** Of the whole path that was validated; without it the peer's own certificate counts. */
  readonly certificateExpiresAt?: Date | undefined;
  /** It was there before this process. */
  readonly imported?: boolean;
}

/** The security of a new association; `prefix` is that of its endpoint. */
export function associationSecurity(
  connected: Connected,
  prefix: string,
  { name, context, certificateExpiresAt, imported = connected.imported === true }: AssociationNotes = {},
): PeerSecurity {
  const authentication = peerProof(connected.authentication);
  const { connectionIdLengths } = connected;
  return {
    kind: 'dtls',
    identity: identityText(connected.identity),
    identityBytes: connected.identity,
    suite: connected.suite,
    extendedMasterSecret: connected.extendedMasterSecret,
    authentication,
    certificateExpiresAt:
      certificateExpiresAt ??
      (authentication.kind === 'x509' ? authentication.certificate.notAfter : undefined),
    resumed: connected.resumed,
    imported,
    connectionIdLengths,
    recordOverhead: {
      sent: recordOverhead(connected.suite, connectionIdLengths?.peer ?? 0),
      received: recordOverhead(connected.suite, connectionIdLengths?.own ?? 0),
    },
    protocol: connected.protocol,
    serverName: connected.serverName,
    association: name ?? `${prefix}-${connected.association}`,
    context,
  };
}

function peerProof(authentication: PeerAuthentication): PeerProof {
  switch (authentication.kind) {
    case 'psk':
    case 'none':
      return { kind: authentication.kind };
    case 'raw-public-key':
      return { kind: 'raw-public-key', publicKey: publicKeyInfo(authentication.publicKey) };
    case 'x509': {
      const certificate = recentCertificate(authentication.certificate);
      if (isDecodeFault(certificate)) {
        throw new InvariantError('a certificate that was accepted cannot be decoded');
      }
      return { kind: 'x509', certificate: certificateInfo(certificate) };
    }
  }
}

export const noSecurity: PeerSecurity = { kind: 'none' };
