/**
 * From the credentials of the options to those of the core, read and checked at once.
 *
 * @module
 */

import type {
  CertificateCredential,
  EndpointCredentials,
  RawPublicKeyCredential,
} from '../core/dtls/credentials.ts';
import { equalBytes } from '../core/foundation/bytes.ts';
import type { SigningKey } from '../core/foundation/crypto-provider.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { readSigningKey } from '../crypto/node-credentials.ts';
import { decodedCertificates, reading } from './credential-input.ts';
import type {
  CertificateOptions,
  ClientCredentialOptions,
  NamedCredentials,
  RawPublicKeyOptions,
  ServerCredentialOptions,
  TrustAnchors,
} from './credential-options.ts';
import { expectKnownOptions } from './known-options.ts';

/** What a client proves itself with, and what it takes as proof. */
export function clientCredentials(
  options: ClientCredentialOptions & { readonly psk?: unknown },
): EndpointCredentials {
  const own = ownCredentials('new Client', options);
  const { peerPublicKeys, dangerouslySkipVerification = false } = options;
  const takesPublicKeys = peerPublicKeys !== undefined || dangerouslySkipVerification;
  const takesCertificates = serverAuthorities(options) !== undefined || dangerouslySkipVerification;
  return {
    psk: options.psk !== undefined,
    ...own,
    // A pinned key is the smaller proof, and the surer one.
    peerTypes: [
      ...(takesPublicKeys ? (['raw-public-key'] as const) : []),
      ...(takesCertificates ? (['x509'] as const) : []),
    ],
    clientAuthentication: 'none',
  };
}

/**
 * Who vouches for servers with a certificate; nobody unless it was said, or the client has one itself. Pinned keys are all
 * that counts where they stand alone: no authority may vouch for another server then.
 */
export function serverAuthorities({
  trustAnchors,
  certificate,
  peerPublicKeys,
}: ClientCredentialOptions): TrustAnchors | undefined {
  const isSystemMeant = certificate !== undefined && peerPublicKeys === undefined;
  return trustAnchors ?? (isSystemMeant ? 'system' : undefined);
}

/** What a server proves itself with, by default and under each of its names. */
export interface ServerCredentials {
  readonly credentials: EndpointCredentials;
  readonly serverNames: ReadonlyMap<string, EndpointCredentials>;
}

/**
 * What a server proves itself with, and what it takes as proof.
 *
 * @param where What the options are of, such as `coaps://[::]:5684`.
 * @throws ApiMisuseError for options that contradict each other.
 */
export function serverCredentials(
  where: string,
  options: ServerCredentialOptions,
  psk: boolean,
): ServerCredentials {
  const { clientCertificates, clientPublicKeys, serverNames = {} } = options;
  const asksForClients = clientCertificates !== undefined || clientPublicKeys !== undefined;
  const { clientAuthentication = asksForClients ? 'required' : 'none' } = options;
  if (clientAuthentication !== 'none' && !asksForClients) {
    throw new ApiMisuseError(
      `${where}: clientAuthentication is '${clientAuthentication}', but no client could be recognised; give clientCertificates or clientPublicKeys`,
    );
  }
  const common = {
    psk,
    peerTypes: [
      ...(clientPublicKeys === undefined ? [] : (['raw-public-key'] as const)),
      ...(clientCertificates === undefined ? [] : (['x509'] as const)),
    ],
    clientAuthentication,
  };
  const credentials = { ...ownCredentials(where, options), ...common };
  const named = namedEntries(`${where}: serverNames`, serverNames).map(
    ([name, given]): [string, EndpointCredentials] => {
      const place = `${where}: serverNames['${name}']`;
      expectKnownOptions(place, given, { certificate: true, rawPublicKey: true });
      const own = ownCredentials(place, given);
      if (own.certificate === undefined && own.rawPublicKey === undefined && !psk) {
        throw new ApiMisuseError(`${place} has neither certificate nor rawPublicKey`);
      }
      return [name.toLowerCase(), { ...own, ...common }];
    },
  );
  const showsSomething =
    credentials.certificate !== undefined || credentials.rawPublicKey !== undefined || named.length > 0;
  if (asksForClients && !showsSomething) {
    throw new ApiMisuseError(
      `${where}: clients can show certificates or raw public keys only to a server that has one itself; give certificate or rawPublicKey`,
    );
  }
  // Whoever adds a certificate to a listener for devices with a key does not want everybody else by that.
  if (psk && showsSomething && !asksForClients && options.clientAuthentication === undefined) {
    throw new ApiMisuseError(
      `${where} has psk and a certificate or raw public key of its own: who may come without a pre-shared key? Give clientCertificates or clientPublicKeys for those who show one, or clientAuthentication: 'none' to let in everybody`,
    );
  }
  return { credentials, serverNames: new Map(named) };
}

function namedEntries(
  place: string,
  given: NonNullable<ServerCredentialOptions['serverNames']>,
): readonly (readonly [string, NamedCredentials])[] {
  if (given instanceof Map) return [...given];
  if (typeof given !== 'object' || given === null || Symbol.iterator in given) {
    throw new ApiMisuseError(`${place} is not names with their credentials; expected an object or a Map`);
  }
  return Object.entries(given);
}

interface Own {
  readonly certificate?: CertificateCredential;
  readonly rawPublicKey?: RawPublicKeyCredential;
}

function ownCredentials(where: string, { certificate, rawPublicKey }: NamedCredentials): Own {
  return {
    ...(certificate === undefined ? {} : { certificate: ownCertificate(where, certificate) }),
    ...(rawPublicKey === undefined ? {} : { rawPublicKey: ownRawPublicKey(where, rawPublicKey) }),
  };
}

function ownCertificate(where: string, options: CertificateOptions): CertificateCredential {
  const place = `${where}: certificate`;
  expectKnownOptions(place, options, { chain: true, privateKey: true, passphrase: true });
  const chain = decodedCertificates(`${place}.chain`, options.chain);
  const [own] = chain;
  if (own === undefined) throw new ApiMisuseError(`${place}.chain is empty; the own certificate comes first`);
  const key = signingKey(place, options);
  if (!equalBytes(own.spki, key.publicKey.spki)) {
    const fitting = chain.findIndex(({ spki }) => equalBytes(spki, key.publicKey.spki));
    const hint =
      fitting < 0
        ? ''
        : `: it belongs to number ${fitting + 1} of the chain, and the own one has to come first`;
    throw new ApiMisuseError(`${place}.privateKey is not the key of ${own.subject.text}${hint}`);
  }
  return { chain: chain.map(({ der }) => der), key };
}

function ownRawPublicKey(where: string, options: RawPublicKeyOptions): RawPublicKeyCredential {
  const place = `${where}: rawPublicKey`;
  expectKnownOptions(place, options, { privateKey: true, passphrase: true });
  return { key: signingKey(place, options) };
}

function signingKey(place: string, { privateKey, passphrase }: RawPublicKeyOptions): SigningKey {
  return reading(`${place}.privateKey`, () => readSigningKey(privateKey, passphrase));
}
