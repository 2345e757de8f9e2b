/**
 * How a client proves itself to servers and how it knows them, from its options, read once.
 *
 * @module
 */

import type { EndpointCredentials } from '../core/dtls/credentials.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { fingerprintOf, trustAnchorsOf } from './credential-input.ts';
import type {
  ClientCredentialOptions,
  PeerPublicKeys,
  PublicKeyInput,
  TrustAnchors,
} from './credential-options.ts';
import { denyList } from './deny-list.ts';
import { clientCredentials, serverAuthorities } from './own-credentials.ts';
import type { VerificationPolicy } from './peer-verification.ts';
import type { RemoteServer } from './remote-server.ts';

/** The security of a client. */
export interface ClientSecurity {
  readonly credentials: EndpointCredentials;
  /** By what a server is judged. */
  policy(server: RemoteServer): VerificationPolicy;
}

/**
 * Reads the options of a client.
 *
 * @returns nothing when it could neither prove itself nor recognise a server: it can do `coap` only.
 * @throws ApiMisuseError for keys or certificates that cannot be used, and for options that contradict each other.
 */
export function clientSecurity(
  options: ClientCredentialOptions & { readonly psk?: unknown },
): ClientSecurity | undefined {
  const { peerPublicKeys, verifyPeer, dangerouslySkipVerification = false } = options;
  const credentials = clientCredentials(options);
  if (!credentials.psk && credentials.peerTypes.length === 0) return undefined;
  if (dangerouslySkipVerification && (options.trustAnchors !== undefined || peerPublicKeys !== undefined)) {
    throw new ApiMisuseError(
      'new Client: dangerouslySkipVerification takes every server, so trustAnchors and peerPublicKeys would not count; give either the one or the others',
    );
  }
  const authorities = serverAuthorities(options);
  const anchors =
    authorities === undefined ? () => [] : trustAnchorsOf('new Client: trustAnchors', authorities);
  const isKnownKey = knownKeys(peerPublicKeys);
  const denied = denyList('new Client', options.deniedCertificates ?? []);
  return {
    credentials,
    policy(server) {
      expectNameOrOwnAuthority(server, authorities);
      return {
        peer: 'server',
        takes: credentials.peerTypes,
        trustAnchors: anchors,
        publicKeyOwner: async ({ fingerprint }) =>
          (await isKnownKey(fingerprint, server))
            ? { identity: server.serverName ?? server.host }
            : undefined,
        denied,
        verifyPeer,
        dangerouslySkip: dangerouslySkipVerification,
        now: Date.now,
      };
    },
  };
}

/** A server on a line has no name in its URI: where the whole world vouches for servers, anybody could be there. */
function expectNameOrOwnAuthority(
  { transport, serverName }: RemoteServer,
  authorities: TrustAnchors | undefined,
): void {
  if (transport === 'serial' && serverName === undefined && authorities === 'system') {
    throw new ApiMisuseError(
      "the URI of a serial line has no name that the authorities of the system could vouch for: give serverName, or trustAnchors of the device's own authority",
    );
  }
}

function knownKeys(
  given: PeerPublicKeys | undefined,
): (fingerprint: string, server: RemoteServer) => boolean | Promise<boolean> {
  if (given === undefined) return () => false;
  const read = (input: PublicKeyInput | readonly PublicKeyInput[]): Set<string> => {
    const list: readonly unknown[] = Array.isArray(input) ? input : [input];
    return new Set(list.map((one) => fingerprintOf('new Client: peerPublicKeys', one as PublicKeyInput)));
  };
  if (typeof given === 'function') {
    return async (fingerprint, { host, address }) =>
      read(await given({ host, port: address.port })).has(fingerprint);
  }
  const keys = read(given);
  return (fingerprint) => keys.has(fingerprint);
}
