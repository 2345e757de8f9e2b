/**
 * What a verb proves itself with and whom it trusts: from the command line, an identity file or a credentials map.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import type { ClientOptions, PskCredential } from 'coapsule';
import type { ClientCommandOptions } from './client-command-options.ts';
import { CommandFailure } from './command-failure.ts';
import {
  type CertificateClientOptions,
  type CredentialFiles,
  readCredentialFiles,
} from './credential-files.ts';
import { type MappedCredential, parseCredentialsMap, readCredentialsMap } from './credentials-map.ts';
import { ExitCode } from './exit-code.ts';
import type { KeptOscore } from './kept-oscore.ts';
import { pskFromOptions, warnAboutKey } from './psk-choice.ts';
import type { TargetUri } from './target-uri.ts';

/** The part of the library's client options that is about credentials. */
export type ChosenCredentials = CertificateClientOptions & Pick<ClientOptions, 'psk'>;

/**
 * The credentials for a URI, or none for a `coap` URI.
 *
 * What the command line names goes before `--credentials`: an own credential (`-k`, `--psk-file`, `-c`, `-M`) before
 * those of the map, and trust (`-C`, `--peer-rpk`, `--insecure`) before the trust of the map. A `coaps` URI without
 * any is refused with the exit code for security: `coaps` never falls back to `coap`.
 */
export function chooseCredentials(
  uri: TargetUri,
  options: ClientCommandOptions,
  warn: (text: string) => void,
): ChosenCredentials {
  if (options.insecure === true) {
    const other = options.ca !== undefined ? '-C' : options.peerRpk !== undefined ? '--peer-rpk' : undefined;
    if (other !== undefined) {
      throw new CommandFailure(
        ExitCode.Usage,
        `${other} says whom to trust, --insecure that anybody is trusted`,
        `leave --insecure out: with ${other} the server is verified`,
      );
    }
  }
  const psk = pskFromOptions(options, warn);
  const given: ChosenCredentials = {
    ...(psk !== undefined && { psk }),
    ...readCredentialFiles(options, warn),
    ...(options.insecure === true && { dangerouslySkipVerification: true }),
  };
  const isOwnGiven =
    given.psk !== undefined || given.certificate !== undefined || given.rawPublicKey !== undefined;
  const isTrustGiven = options.ca !== undefined || options.peerRpk !== undefined || options.insecure === true;
  const mapped = fromMap(uri, options, warn, { own: !isOwnGiven, trust: !isTrustGiven });
  const chosen = { ...mapped, ...given };
  if (Object.keys(chosen).length === 0) {
    if (!uri.secure) return {};
    throw new CommandFailure(
      ExitCode.Security,
      options.credentials === undefined
        ? `${uri.text} needs credentials`
        : `${options.credentials} has no credential for ${uri.text}`,
      'give identity and key with -u ID -k KEY, --psk-file FILE or --credentials FILE; a certificate with -c FILE, and the authority of the server with -C FILE (-C system for the usual ones)',
    );
  }
  if (!uri.secure) {
    warn('the key is not used: a coap URI is not secured, coaps is');
    return {};
  }
  if (chosen.dangerouslySkipVerification === true) {
    warn('THE SERVER IS NOT VERIFIED (--insecure): anybody on the way can read and change everything');
  }
  if (typeof chosen.psk === 'object') warnAboutKey(chosen.psk, warn);
  return chosen;
}

/** The OSCORE context for requests to `end`: that of the command line, or of the credentials map, for `coap` URIs too. */
export function oscoreEnd(
  end: TargetUri,
  { credentials, oscore }: ClientCommandOptions,
): KeptOscore | undefined {
  if (oscore !== undefined) return { path: oscore };
  if (credentials === undefined) return undefined;
  const found = parseCredentialsMap(readFileSync(credentials, 'utf8'), credentials).find(end.text);
  return found?.oscore === undefined ? undefined : { path: found.oscore };
}

/** What `--credentials` has for a URI, and nothing where it has nothing. */
export function mappedCredentials(
  uri: TargetUri,
  credentials: string,
  warn: (text: string) => void,
): ChosenCredentials {
  return fromMap(uri, { credentials }, warn, { own: true, trust: true });
}

function fromMap(
  uri: TargetUri,
  { credentials, passphraseFile }: ClientCommandOptions,
  warn: (text: string) => void,
  wanted: { readonly own: boolean; readonly trust: boolean },
): ChosenCredentials {
  if (credentials === undefined) return {};
  const map = readCredentialsMap(credentials, warn);
  // For coap no credential is looked up: a map may name other hosts only.
  const found = !uri.secure ? undefined : map.find(uri.text);
  if (found === undefined) return {};
  const psk = wanted.own ? pskOf(found) : undefined;
  return {
    ...(psk !== undefined && { psk }),
    ...readCredentialFiles(
      {
        ...(wanted.own && ownFiles(found)),
        ...(wanted.trust && trustFiles(found)),
        ...(passphraseFile !== undefined && { passphraseFile }),
      },
      warn,
      {
        cert: `${credentials}: "cert"`,
        privateKey: `${credentials}: "private-key"`,
        rpk: `${credentials}: "rpk"`,
        ca: `${credentials}: "ca"`,
        peerRpk: `${credentials}: "peer-rpk"`,
        encrypted: 'give its passphrase with --passphrase-file FILE',
      },
    ),
  };
}

function pskOf({ identity, key }: MappedCredential): PskCredential | undefined {
  return identity === undefined || key === undefined ? undefined : { identity, key };
}

function ownFiles({ cert, privateKey, rpk }: CredentialFiles): CredentialFiles {
  return {
    ...(cert !== undefined && { cert }),
    ...(privateKey !== undefined && { privateKey }),
    ...(rpk !== undefined && { rpk }),
  };
}

function trustFiles({ ca, peerRpk }: CredentialFiles): CredentialFiles {
  return { ...(ca !== undefined && { ca }), ...(peerRpk !== undefined && { peerRpk }) };
}
