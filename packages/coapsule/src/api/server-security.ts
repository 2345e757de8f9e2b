/**
 * How a listener proves itself to clients and how it knows them, from its options, read once.
 *
 * @module
 */

import type { EndpointCredentials } from '../core/dtls/credentials.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { fingerprintOf, trustAnchorsOf } from './credential-input.ts';
import type { ClientPublicKeys, PeerMatch, ServerCredentialOptions } from './credential-options.ts';
import { denyList } from './deny-list.ts';
import { expectKnownOptions } from './known-options.ts';
import { serverCredentials } from './own-credentials.ts';
import type { VerificationPolicy } from './peer-verification.ts';

/** The security of a listener. */
export interface ServerSecurity {
  readonly credentials: EndpointCredentials;
  readonly serverNames: ReadonlyMap<string, EndpointCredentials>;
  /** By what clients are judged. */
  readonly policy: VerificationPolicy;
}

/**
 * Reads the options of a listener.
 *
 * @param where The URI, for messages.
 * @param psk Whether it takes pre-shared keys.
 * @throws ApiMisuseError when there is nothing that a client could connect with, or something cannot be used.
 */
export function serverSecurity(
  where: string,
  options: ServerCredentialOptions,
  psk: boolean,
): ServerSecurity {
  const { clientCertificates, clientPublicKeys, verifyPeer } = options;
  const { credentials, serverNames } = serverCredentials(where, options, psk);
  const { certificate, rawPublicKey } = credentials;
  if (!psk && certificate === undefined && rawPublicKey === undefined && serverNames.size === 0) {
    throw new ApiMisuseError(`${where} needs credentials: give psk.lookup, certificate or rawPublicKey`);
  }
  let trustAnchors: VerificationPolicy['trustAnchors'] = () => [];
  if (clientCertificates !== undefined) {
    const place = `${where}: clientCertificates`;
    expectKnownOptions(place, clientCertificates, { trustAnchors: true });
    if (clientCertificates.trustAnchors === undefined) {
      throw new ApiMisuseError(`${place}.trustAnchors is missing: who vouches for clients?`);
    }
    trustAnchors = trustAnchorsOf(`${place}.trustAnchors`, clientCertificates.trustAnchors);
  }
  return {
    credentials,
    serverNames,
    policy: {
      peer: 'client',
      takes: credentials.peerTypes,
      trustAnchors,
      publicKeyOwner: ownerLookup(where, clientPublicKeys),
      denied: denyList(where, options.deniedCertificates ?? []),
      verifyPeer,
      dangerouslySkip: false,
      now: Date.now,
    },
  };
}

function ownerLookup(
  where: string,
  given: ClientPublicKeys | undefined,
): VerificationPolicy['publicKeyOwner'] {
  if (given === undefined) return () => undefined;
  if (typeof given === 'function') return given;
  const owners = new Map<string, PeerMatch>();
  for (const [identity, input] of given) {
    const fingerprint = fingerprintOf(`${where}: clientPublicKeys: the key of '${identity}'`, input);
    const other = owners.get(fingerprint);
    if (other !== undefined) {
      throw new ApiMisuseError(
        `${where}: clientPublicKeys: '${other.identity}' and '${identity}' have the same key; whose is it?`,
      );
    }
    owners.set(fingerprint, { identity });
  }
  return ({ fingerprint }) => owners.get(fingerprint);
}
