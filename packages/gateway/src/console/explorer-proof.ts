/**
 * A credential that was typed in, now or when it got its name, as a client takes it.
 */
import type { ClientOptions } from 'coapsule';
import type { TargetUri } from '../cli/target-uri.ts';
import { ApiFailure } from './api-failure.ts';
import type { TypedCredential } from './api-types.ts';
import { bytesOf } from './hex.ts';
import type { SessionUser } from './sessions.ts';

/** The part of a client's options that proves who asks, and says whom it trusts. */
export type ClientProof = Pick<
  ClientOptions,
  'psk' | 'certificate' | 'rawPublicKey' | 'trustAnchors' | 'peerPublicKeys'
>;

/** Who asks whom. */
export interface CredentialUse {
  readonly user: SessionUser;
  readonly uri: TargetUri;
  /** The server, or the proxy. */
  readonly hop: TargetUri;
}

/** What was typed in, as a client takes it. @throws ApiFailure for half of a pair. */
export function typedProof(credential: TypedCredential): ClientProof {
  switch (credential.kind) {
    case 'psk':
      return { psk: { identity: credential.identity, key: bytesOf(credential.keyHex) } };
    case 'rpk':
      return {
        rawPublicKey: { privateKey: credential.privateKeyPem },
        peerPublicKeys: credential.serverKey.trim(),
      };
    case 'x509': {
      const { certificatePem, privateKeyPem, authorityPem } = credential;
      if ((certificatePem === undefined) !== (privateKeyPem === undefined))
        throw new ApiFailure(
          'invalid',
          'a certificate and its private key go together',
          'give both, or none',
        );
      return {
        trustAnchors: authorityPem.trim() === 'system' ? 'system' : authorityPem,
        ...(certificatePem !== undefined &&
          privateKeyPem !== undefined && {
            certificate: { chain: certificatePem, privateKey: privateKeyPem },
          }),
      };
    }
  }
}
