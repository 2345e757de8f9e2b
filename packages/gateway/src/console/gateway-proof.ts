/**
 * What the gateway proves itself with to devices, as far as others may know it: its public key, and the authority that its certificate
 * comes from.
 */
import { X509Certificate } from 'node:crypto';
import { describeCertificates, describePublicKey } from 'coapsule';
import type { GatewayCredentials } from '../server/serve-credentials.ts';
import type { GatewayTrust } from './api-types.ts';

/** See the module comment. */
export interface GatewayProof {
  readonly trust: GatewayTrust;
  readonly hasCertificate: boolean;
  /** Whether it takes certificates of devices (`--ca`). */
  readonly hasAuthorities: boolean;
}

/** @param credentials Undefined: pre-shared keys and OSCORE alone. */
export function gatewayProof(credentials: GatewayCredentials | undefined): GatewayProof {
  if (credentials === undefined)
    return {
      trust: { fingerprint: null, publicKeyPem: null, authorityPem: null },
      ...{ hasCertificate: false, hasAuthorities: false },
    };
  const { certificate, rawPublicKey, authorities } = credentials;
  const { fingerprint, spki } = describePublicKey(rawPublicKey.privateKey);
  return {
    trust: {
      ...{ fingerprint, publicKeyPem: pem('PUBLIC KEY', spki) },
      authorityPem: certificate === undefined ? null : authorityPem(certificate.chain, authorities),
    },
    hasCertificate: certificate !== undefined,
    hasAuthorities: authorities !== undefined,
  };
}

/** The one at the end of the chain, or of those whose devices it takes the one that has issued that end. */
function authorityPem(
  chain: Parameters<typeof describeCertificates>[0],
  authorities: Uint8Array | undefined,
): string | null {
  const known = authorities === undefined ? [] : describeCertificates(authorities);
  const [end, ...others] = [...describeCertificates(chain).slice(-1), ...known].map(
    ({ der }) => new X509Certificate(der),
  );
  if (end === undefined) return null;
  const found = [end, ...others].find((one) => end.checkIssued(one) && end.verify(one.publicKey));
  return found === undefined ? null : pem('CERTIFICATE', found.raw);
}

/** RFC 7468. */
function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
