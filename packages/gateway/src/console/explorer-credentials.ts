/**
 * As whom the explorer asks: nobody, a device of the store, the gateway itself as a proxy, or what a user has typed in for this one
 * request, which is kept nowhere.
 */
import type { ClientOptions } from 'coapsule';
import type { CredentialReference } from '../copy-as/seen-request.ts';
import type { GatewayProxyOptions } from '../gateway/gateway-proxy.ts';
import type { DeviceTable } from '../store/device-table.ts';
import { ApiFailure } from './api-failure.ts';
import type { CredentialNames, ExplorerCredential } from './api-types.ts';
import { bytesOf } from './hex.ts';
import type { SessionUser } from './sessions.ts';

/** Where credentials are that have a name. */
export interface NamedCredentials {
  readonly devices: Pick<DeviceTable, 'find' | 'search'>;
  /** What the gateway proves itself with where it is a proxy (`--proxy-credentials`). */
  readonly proxyTargets: GatewayProxyOptions['targets'];
}

/** What a credential is looked up in. */
export type SearchedCredentials = Pick<NamedCredentials, 'proxyTargets'> & {
  readonly devices: Pick<DeviceTable, 'find'>;
};

/** The part of a client's options that proves who asks, and says whom it trusts. */
export type ExplorerProof = Pick<
  ClientOptions,
  'psk' | 'certificate' | 'rawPublicKey' | 'trustAnchors' | 'peerPublicKeys'
>;

const mostNames = 1000;

/** Those that this user may use. */
export function credentialNames(
  { devices, proxyTargets }: NamedCredentials,
  { role }: SessionUser,
): CredentialNames {
  if (role !== 'admin') return { credentials: [] };
  return {
    credentials: [
      ...proxyTargets.flatMap(({ uri, client }) =>
        client !== undefined && Object.keys(client).length > 0 ? [{ id: uri, kind: 'proxy' as const }] : [],
      ),
      ...devices
        .search('', '', mostNames)
        .devices.filter(({ device }) => device.credential.kind === 'psk')
        .map(({ device: { id } }) => ({ id, kind: 'psk' as const })),
    ],
  };
}

/**
 * What a client is given.
 *
 * @throws ApiFailure for what is not there, and for what this user may not use.
 */
export function explorerProof(
  credential: ExplorerCredential | undefined,
  user: SessionUser,
  { devices, proxyTargets }: SearchedCredentials,
): ExplorerProof | undefined {
  switch (credential?.kind) {
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
    case 'proxy': {
      if (user.role !== 'admin')
        throw new ApiFailure('forbidden', 'who speaks as the gateway needs the role admin');
      const found = proxyTargets.find(({ uri }) => uri === credential.pattern)?.client;
      if (found === undefined)
        throw new ApiFailure('not-found', 'the gateway has no credential for this pattern');
      const { psk, certificate, rawPublicKey, trustAnchors, peerPublicKeys } = found;
      return {
        ...(psk !== undefined && { psk }),
        ...(certificate !== undefined && { certificate }),
        ...(rawPublicKey !== undefined && { rawPublicKey }),
        ...(trustAnchors !== undefined && { trustAnchors }),
        ...(peerPublicKeys !== undefined && { peerPublicKeys }),
      };
    }
    case 'device': {
      if (user.role !== 'admin')
        throw new ApiFailure('forbidden', 'who speaks as a device needs the role admin');
      const stored = devices.find(credential.id)?.credential;
      // Of a device with a certificate or a raw public key the gateway has no private key. The numbers of an OSCORE context are the
      // device's: used here too, they would be used twice (RFC 8613 §7.2.1).
      if (stored?.kind !== 'psk')
        throw new ApiFailure(
          'not-found',
          'there is no device of this id with a pre-shared key',
          stored?.kind === 'rpk' || stored?.kind === 'cert'
            ? 'its private key is with the device alone: type one in'
            : undefined,
        );
      return { psk: { identity: credential.id, key: stored.key } };
    }
    default:
      return undefined;
  }
}

/** The credential of a command that does the same. */
export function credentialReference(
  credential: ExplorerCredential | undefined,
): CredentialReference | undefined {
  switch (credential?.kind) {
    case 'psk':
      return { kind: 'psk', identity: credential.identity };
    case 'device':
      return { kind: 'psk', identity: credential.id };
    case 'rpk':
      return { kind: 'raw-public-key' };
    case 'x509':
    case 'proxy':
      return { kind: 'certificate' };
    default:
      return undefined;
  }
}
