/**
 * Credentials files: a JSON map from URI patterns to credentials.
 *
 * The form is aiocoap's, as far as pre-shared keys and OSCORE contexts go, and short ones:
 * ```json
 * { "coaps://server/*": { "dtls": { "psk": { "ascii": "key" }, "client-identity": { "ascii": "id" } } },
 *   "coaps://other/*": { "identity": "id", "key": "text, or 0x and hex" },
 *   "coaps://third/*": ":shared", ":shared": { "identity": "id", "key": "key" },
 *   "coaps://fourth/*": { "cert": "own.pem", "private-key": "own.key", "ca": "ca.pem" },
 *   "coaps://fifth/*": { "rpk": "own.key", "peer-rpk": "server.pub" },
 *   "coap://sixth/*": { "oscore": { "basedir": "context" } },
 *   "coaps://seventh/*": { "oscore": "device.oscore", "identity": "id", "key": "key" },
 *   "https://eighth/*": { "bearer-file": "token", "ca": "ca.pem" },
 *   "https://ninth/*": { "user": "name", "password-file": "password", "cert": "own.pem", "private-key": "own.key" } }
 * ```
 * `{ "tlscert": { "certfile": "ca.pem" } }` of aiocoap is `ca`; a file whose name ends in `.diag` is the same in CBOR diagnostic
 * notation. What aiocoap has beyond that (EDHOC, lists of credentials) is refused by name where it is used.
 * File names stand beside the map. `ca` may be `system`, `peer-rpk` a fingerprint.
 *
 * What `*` may stand for says uri-pattern.ts. The pattern with the most characters beside `*` wins. A default port
 * makes no difference.
 *
 * @module
 */

import { readFileSync, statSync } from 'node:fs';
import { type CborValue, decodeCbor, isCborArray, isCborMap, isDecodeFault } from 'coapsule/cbor';
import { encodeDiagnostic } from '../payload/cbor-diagnostic.ts';
import { CommandFailure } from './command-failure.ts';
import { besideFile, type CredentialFiles } from './credential-files.ts';
import { ExitCode } from './exit-code.ts';
import { hexBytes, keyBytes } from './option-values.ts';
import type { PskLine } from './psk-file.ts';
import { parseUriPattern, type UriPattern } from './uri-pattern.ts';

/** A credentials file that has been read. */
export interface CredentialsMap {
  /** The credential of the most specific pattern that matches, or nothing. */
  find(uri: string): MappedCredential | undefined;
}

/** A pre-shared key, or files, with their paths; and an end of an OSCORE context, which may go with either or stand alone. */
export type MappedCredential = Partial<PskLine> &
  CredentialFiles & { readonly oscore?: string; readonly http?: MappedHttpSecret };

/** For HTTP servers: a bearer token (RFC 6750), or a name with a password (RFC 7617); each here or in a file of its own. */
export type MappedHttpSecret =
  | { readonly kind: 'bearer'; readonly token: SecretPlace }
  | { readonly kind: 'basic'; readonly user: string; readonly password: SecretPlace };

/** Where a secret is. */
export type SecretPlace = { readonly text: string } | { readonly file: string };

/** Reads a credentials file. @param warn is told when others can read it too. */
export function readCredentialsMap(path: string, warn: (text: string) => void): CredentialsMap {
  const map = parseCredentialsMap(readFileSync(path, 'utf8'), path);
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
    warn(`${path} can be read by others: chmod 600 ${path}`);
  }
  return map;
}

/**
 * Reads the text of a credentials file. All patterns are checked; of the credentials only those that are used.
 *
 * @param name How the file is called in messages; they never contain a key.
 */
export function parseCredentialsMap(text: string, name: string): CredentialsMap {
  const map = jsonObject(text, name);
  const patterns = Object.keys(map)
    // aiocoap takes `null` for no entry.
    .filter((key) => !key.startsWith(':') && map[key] !== null)
    .map((key) => ({ key, pattern: patternOf(key, name) }));
  return {
    find(uri) {
      const best = patterns
        .filter(({ pattern }) => pattern.matches(uri))
        .sort((a, b) => b.pattern.specificity - a.pattern.specificity)[0];
      return best === undefined ? undefined : credentialOf(map, best.key, name);
    },
  };
}

function patternOf(text: string, name: string): UriPattern {
  const pattern = parseUriPattern(text);
  if (typeof pattern !== 'string') return pattern;
  throw new CommandFailure(ExitCode.Usage, `${name}, "${text}": ${pattern}`, 'correct the pattern');
}

function jsonObject(text: string, name: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = name.endsWith('.diag') ? diagnosticObject(text, name) : JSON.parse(text);
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    // The message of JSON.parse quotes the text around the fault, which may be a key: only its position is kept.
    const position = /position \d+( \(line \d+ column \d+\))?/.exec((error as Error).message)?.[0];
    throw new CommandFailure(
      ExitCode.Usage,
      `${name} is not JSON${position === undefined ? '' : ` (${position})`}`,
      'correct the file',
    );
  }
  if (!isObject(value)) {
    throw new CommandFailure(
      ExitCode.Usage,
      `${name} is not a JSON object`,
      'it maps URI patterns such as "coaps://server/*" to credentials',
    );
  }
  return value;
}

/** aiocoap's other form of the file: CBOR in diagnostic notation. The fault tells a place, and nothing of the text. */
function diagnosticObject(text: string, name: string): unknown {
  const encoded = encodeDiagnostic(text);
  const decoded = encoded instanceof Uint8Array ? decodeCbor(encoded) : undefined;
  if (decoded !== undefined && !isDecodeFault(decoded)) return objectOf(decoded.value);
  const place = encoded instanceof Uint8Array ? '' : ` (character ${encoded.offset + 1})`;
  throw new CommandFailure(
    ExitCode.Usage,
    `${name} is not CBOR in diagnostic notation${place}`,
    'correct the file',
  );
}

function objectOf(value: CborValue): unknown {
  if (isCborArray(value)) return value.map(objectOf);
  if (!isCborMap(value)) return value;
  return Object.fromEntries([...value].map(([key, item]) => [String(key), objectOf(item)]));
}

function credentialOf(map: Record<string, unknown>, pattern: string, name: string): MappedCredential {
  const value = map[pattern];
  const entry = typeof value === 'string' ? map[value] : value; // ":label" stands for an entry of its own
  const refuse = (cause: string): never => {
    throw new CommandFailure(
      ExitCode.Usage,
      `${name}, "${pattern}": ${cause}`,
      'give {"dtls": {"psk": {"ascii": …}, "client-identity": {"ascii": …}}}, {"identity": …, "key": …}, {"cert": …, "private-key": …, "ca": …}, {"rpk": …, "peer-rpk": …}, {"oscore": {"basedir": …}}, {"bearer": …} or {"user": …, "password": …}',
    );
  };
  if (!isObject(entry))
    return refuse(typeof value === 'string' ? `there is no entry "${value}"` : 'a credential is an object');
  const { dtls, identity, key, oscore } = entry;
  const context = isObject(oscore) ? (oscore['basedir'] ?? '') : oscore;
  if (context !== undefined && (typeof context !== 'string' || context === ''))
    return refuse('"oscore" is {"basedir": folder}, or the name of a file or folder');
  const underOscore = context === undefined ? {} : { oscore: besideFile(name, context) };
  if (isObject(dtls)) {
    const { psk } = dtls;
    return {
      ...underOscore,
      identity:
        bytesOf(dtls['client-identity']) ?? refuse('"client-identity" is {"ascii": text} or {"hex": digits}'),
      key: nonEmpty(bytesOf(psk)) ?? refuse('"psk" is {"ascii": text} or {"hex": digits}, and not empty'),
    };
  }
  if (typeof identity === 'string' && typeof key === 'string') {
    return {
      ...underOscore,
      identity: new TextEncoder().encode(identity),
      key: keyBytes(key) ?? refuse('the key is empty, or not hexadecimal digits after 0x'),
    };
  }
  const { tlscert } = entry;
  if (isObject(tlscert)) {
    const { certfile } = tlscert;
    if (typeof certfile !== 'string') return refuse('"tlscert" is {"certfile": name of a file}');
    return { ...underOscore, ca: besideFile(name, certfile) };
  }
  for (const kind of ['edhoc-oscore', 'any-of', 'all-of'])
    if (entry[kind] !== undefined) return refuse(`"${kind}" is not known here`);
  const http = httpSecretOf(entry, name, refuse);
  const files = fileOptions.flatMap(([given, option]) => {
    const file = entry[given];
    if (file === undefined) return [];
    if (typeof file !== 'string') return refuse(`"${given}" is the name of a file`);
    return [[option, besideFile(name, file)]];
  });
  if (files.length === 0 && context === undefined && http === undefined)
    return refuse('it has no credential');
  return { ...underOscore, ...(http && { http }), ...(Object.fromEntries(files) as CredentialFiles) };
}

function httpSecretOf(
  entry: Record<string, unknown>,
  name: string,
  refuse: (cause: string) => never,
): MappedHttpSecret | undefined {
  const secret = (given: string): SecretPlace | undefined => {
    const [text, file] = [entry[given], entry[`${given}-file`]];
    if (text === undefined && file === undefined) return undefined;
    if (typeof (text ?? file) !== 'string' || (text !== undefined && file !== undefined))
      return refuse(`give "${given}" as text, or "${given}-file" as the name of a file`);
    return text === undefined ? { file: besideFile(name, file as string) } : { text: text as string };
  };
  const { user } = entry;
  const [token, password] = [secret('bearer'), secret('password')];
  if (token !== undefined && (user !== undefined || password !== undefined))
    return refuse('it has a bearer token and a password; give one of them');
  if (token !== undefined) return { kind: 'bearer', token };
  if (user === undefined && password === undefined) return undefined;
  if (typeof user !== 'string' || password === undefined) return refuse('a "user" has a "password"');
  if (user.includes(':')) return refuse('a "user" has no colon (RFC 7617 §2)');
  return { kind: 'basic', user, password };
}

const fileOptions = [
  ['cert', 'cert'],
  ['private-key', 'privateKey'],
  ['ca', 'ca'],
  ['rpk', 'rpk'],
  ['peer-rpk', 'peerRpk'],
] as const;

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (!isObject(value)) return undefined;
  const { ascii, hex } = value;
  if (typeof ascii === 'string') return new TextEncoder().encode(ascii);
  // aiocoap lets these stand between the digits.
  return typeof hex === 'string' ? hexBytes(hex.replace(/[-: ]/g, '')) : undefined;
}

function nonEmpty(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes?.length === 0 ? undefined : bytes;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}
