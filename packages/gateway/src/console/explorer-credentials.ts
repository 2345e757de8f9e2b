/**
 * As whom the explorer asks: nobody, a credential that has a name, a device of the store, the gateway itself as a proxy, or what a user
 * has typed in for this one request, which is kept nowhere.
 */
import type { ClientOptions } from 'coapsule';
import type { CredentialReference } from '../copy-as/seen-request.ts';
import type { GatewayProxyOptions } from '../gateway/gateway-proxy.ts';
import type { DeviceTable } from '../store/device-table.ts';
import type { ExplorerTable } from '../store/explorer-table.ts';
import { ApiFailure } from './api-failure.ts';
import type { CredentialNames, ExplorerCredential } from './api-types.ts';
import { factsOfNamed, namedCredential } from './explorer-named.ts';
import { type ExplorerContext, explorerContext } from './explorer-oscore.ts';
import { type ClientProof, type CredentialUse, typedProof } from './explorer-proof.ts';
import type { SessionUser } from './sessions.ts';

/** Where credentials are that have a name. */
export interface NamedCredentials {
  readonly devices: Pick<DeviceTable, 'find' | 'search'>;
  /** What the gateway proves itself with where it is a proxy (`--proxy-credentials`). */
  readonly proxyTargets: GatewayProxyOptions['targets'];
  readonly named: Pick<ExplorerTable, 'find' | 'all' | 'add' | 'remove'>;
}

/** What a credential is looked up in. */
export type SearchedCredentials = Pick<NamedCredentials, 'proxyTargets'> & {
  readonly devices: Pick<DeviceTable, 'find'>;
  readonly named: Pick<ExplorerTable, 'find'>;
};

/** What a request is protected with. */
export interface ExplorerProof {
  readonly proof: ClientProof | undefined;
  readonly oscore: ExplorerContext | undefined;
}

const mostNames = 1000;

/** Those that this user may use. */
export function credentialNames(
  { devices, proxyTargets, named }: NamedCredentials,
  { role }: SessionUser,
): CredentialNames {
  const known = named.all().filter(({ forOperators }) => forOperators || role === 'admin');
  if (role !== 'admin') return { credentials: [], named: known.map(factsOfNamed) };
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
    named: known.map(factsOfNamed),
  };
}

/**
 * What a client is given.
 *
 * @throws ApiFailure for what is not there, and for what this user may not use, or not there.
 */
export function explorerProof(
  credential: ExplorerCredential | undefined,
  use: CredentialUse,
  { devices, proxyTargets, named }: SearchedCredentials,
): ExplorerProof {
  const { user } = use;
  switch (credential?.kind) {
    case 'psk':
    case 'rpk':
    case 'x509':
      return { proof: typedProof(credential), oscore: undefined };
    case 'named': {
      const { proof, oscore } = namedCredential(named, credential.name, use);
      return {
        proof: proof && typedProof(proof),
        oscore: oscore && explorerContext(oscore),
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
        proof: {
          ...(psk !== undefined && { psk }),
          ...(certificate !== undefined && { certificate }),
          ...(rawPublicKey !== undefined && { rawPublicKey }),
          ...(trustAnchors !== undefined && { trustAnchors }),
          ...(peerPublicKeys !== undefined && { peerPublicKeys }),
        },
        oscore: undefined,
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
      return { proof: { psk: { identity: credential.id, key: stored.key } }, oscore: undefined };
    }
    default:
      return { proof: undefined, oscore: undefined };
  }
}

/** The credential of a command that does the same; what is protected end to end is `ExplorerPlan.oscore`. */
export function credentialReference(
  credential: ExplorerCredential | undefined,
  { psk, rawPublicKey, certificate, trustAnchors }: ClientOptions,
): CredentialReference | undefined {
  if (typeof psk === 'object')
    return {
      kind: 'psk',
      identity: typeof psk.identity === 'string' ? psk.identity : new TextDecoder().decode(psk.identity),
    };
  if (rawPublicKey !== undefined) return { kind: 'raw-public-key' };
  if (certificate !== undefined) return { kind: 'certificate' };
  if (trustAnchors !== undefined) return { kind: 'authority' };
  return credential?.kind === 'proxy' ? { kind: 'certificate' } : undefined;
}
