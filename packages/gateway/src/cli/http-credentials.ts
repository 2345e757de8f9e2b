/**
 * What a credentials map has for HTTP servers that the proxies ask, with the files that it names read.
 *
 * @module
 */

import type { HttpCredentials } from '../cross-proxy/http-upstream.ts';
import { CommandFailure } from './command-failure.ts';
import { type MappedHttpSecret, readCredentialsMap, type SecretPlace } from './credentials-map.ts';
import { ExitCode } from './exit-code.ts';
import { optionFile, optionSecret } from './option-content.ts';

/**
 * The credentials for a URI, or for a pattern of URIs as it stands in the map; none where the map has none: an HTTP server may be
 * open to everyone.
 *
 * @throws CommandFailure for files that cannot be read or used.
 */
export function httpCredentials(
  uri: string,
  credentials: string | undefined,
  warn: (text: string) => void,
): HttpCredentials | undefined {
  if (credentials === undefined) return undefined;
  const map = readCredentialsMap(credentials, warn);
  const found = map.find(uri);
  if (found === undefined) return undefined;
  const isTls = /^https:/i.test(uri);
  if (!isTls && found.http !== undefined)
    warn(`${uri} is asked with a secret that everybody on the way can read: https protects it`);
  const certificate = optionFile(`${credentials}: "cert"`, found.cert);
  const privateKey = optionFile(`${credentials}: "private-key"`, found.privateKey ?? found.cert);
  const passphrase = optionSecret(`${credentials}: passphrase`, found.passphraseFile);
  const authorities =
    found.ca === undefined || found.ca === 'system'
      ? undefined
      : optionFile(`${credentials}: "ca"`, found.ca);
  const authorization = found.http === undefined ? undefined : authorizationOf(found.http, credentials);
  const made: HttpCredentials = {
    ...(authorization !== undefined && { authorization }),
    ...(certificate !== undefined && { certificate }),
    ...(privateKey !== undefined && { privateKey }),
    ...(passphrase !== undefined && { passphrase }),
    ...(authorities !== undefined && { authorities }),
  };
  expectUsable(made, `${credentials}: the credential for ${uri}`);
  return made;
}

function authorizationOf(secret: MappedHttpSecret, credentials: string): string {
  if (secret.kind === 'bearer') {
    const token = textOf(secret.token, `${credentials}: "bearer-file"`);
    if (/^[\w\-.~+/]+=*$/.test(token)) return `Bearer ${token}`;
    throw new CommandFailure(
      ExitCode.Usage,
      `${credentials}: a bearer token has other characters than letters, digits and -._~+/=`,
      'give the token alone, without "Bearer"',
    );
  }
  const password = textOf(secret.password, `${credentials}: "password-file"`);
  return `Basic ${Buffer.from(`${secret.user}:${password}`).toString('base64')}`;
}

function textOf(place: SecretPlace, name: string): string {
  return 'text' in place ? place.text : optionSecret(name, place.file);
}

/** A key that does not fit is told now, and not by each 5.02. */
function expectUsable(
  { certificate, privateKey, passphrase, authorities }: HttpCredentials,
  what: string,
): void {
  try {
    // Loaded where it is wanted.
    process.getBuiltinModule('node:tls').createSecureContext({
      ...(certificate !== undefined && { cert: certificate }),
      ...(privateKey !== undefined && { key: privateKey }),
      ...(passphrase !== undefined && { passphrase }),
      ...(authorities !== undefined && { ca: authorities }),
    });
  } catch (error) {
    throw new CommandFailure(
      ExitCode.Security,
      `${what} cannot be used: ${(error as Error).message}`,
      'check its files: PEM with certificate, private key and authorities',
    );
  }
}
