/**
 * What we show and sign with, chosen by what the peer takes (RFC 5246 §7.4.2, §7.4.6, RFC 7250 §4).
 *
 * @module
 */

import type { PublicKeyType, SignatureScheme, SigningKey } from '../../foundation/crypto-provider.ts';
import type { CertificateType, EndpointCredentials, PresentedCredential } from '../credentials.ts';
import { chooseSignatureScheme } from './extensions/signature-algorithms.ts';

/** A credential of ours, its key, and how it signs. */
export interface OwnProof {
  readonly presented: PresentedCredential;
  readonly key: SigningKey;
  readonly scheme: SignatureScheme;
}

/**
 * The first credential that the peer can use.
 *
 * @param types What it takes, the preferred first.
 * @param schemes Registered values of the signature schemes it takes.
 * @param takesKey Whether it can use a key of this type.
 */
export function chooseOwnProof(
  credentials: EndpointCredentials,
  types: readonly CertificateType[],
  schemes: readonly number[],
  takesKey: (type: PublicKeyType) => boolean,
): OwnProof | undefined {
  for (const type of types) {
    const key = (type === 'x509' ? credentials.certificate : credentials.rawPublicKey)?.key;
    if (key === undefined || !takesKey(key.publicKey.type)) continue;
    const scheme = chooseSignatureScheme(key.publicKey.type, schemes);
    if (scheme !== undefined) return { presented: presentedAs(credentials, type), key, scheme };
  }
  return undefined;
}

/** The types that these credentials hold. */
export function ownCertificateTypes(credentials: EndpointCredentials): CertificateType[] {
  return [
    ...(credentials.certificate === undefined ? [] : ['x509' as const]),
    ...(credentials.rawPublicKey === undefined ? [] : ['raw-public-key' as const]),
  ];
}

function presentedAs(credentials: EndpointCredentials, type: CertificateType): PresentedCredential {
  return type === 'x509'
    ? { kind: 'x509', chain: credentials.certificate?.chain ?? [] }
    : {
        kind: 'raw-public-key',
        publicKey: credentials.rawPublicKey?.key.publicKey.spki ?? new Uint8Array(0),
      };
}
