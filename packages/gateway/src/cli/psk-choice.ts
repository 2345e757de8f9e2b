/**
 * Which pre-shared key a verb uses: from the command line, an identity file or a credentials map.
 *
 * @module
 */

import { readFileSync, statSync } from 'node:fs';
import type { PskCredential } from 'coapsule';
import type { ClientCommandOptions } from './client-command-options.ts';
import { CommandFailure } from './command-failure.ts';
import { parseCredentialsMap } from './credentials-map.ts';
import { ExitCode } from './exit-code.ts';
import { hexText } from './option-values.ts';
import { readPskFile } from './psk-file.ts';
import type { TargetUri } from './target-uri.ts';

/** RFC 4279 §7.2 leaves the length open; below this a captured handshake can be tried out (spec: warn). */
const shortKeyBytes = 16;

/**
 * The credential for a URI, or nothing for a `coap` URI that needs none.
 *
 * `-u` with `-k` goes before `--psk-file`, and that before `--credentials`. A `coaps` URI without a credential is
 * refused with the exit code for security: `coaps` never falls back to `coap`.
 */
export function choosePsk(
  uri: TargetUri,
  options: ClientCommandOptions,
  warn: (text: string) => void,
): PskCredential | undefined {
  const psk = fromCommandLine(options) ?? fromPskFile(options, warn) ?? fromCredentials(uri, options, warn);
  if (psk === undefined) {
    if (uri.scheme === 'coap') return undefined;
    throw new CommandFailure(
      ExitCode.Security,
      options.credentials === undefined
        ? `${uri.text} needs credentials`
        : `${options.credentials} has no credential for ${uri.text}`,
      'give identity and key with -u ID -k KEY, --psk-file FILE or --credentials FILE',
    );
  }
  if (uri.scheme === 'coap') warn('the key is not used: a coap URI is not secured, coaps is');
  else if (psk.key.length < shortKeyBytes)
    warn(`the key has ${psk.key.length} bytes, fewer than 16: it can be guessed from one captured handshake`);
  return psk;
}

function fromCommandLine({ identity, key, pskFile }: ClientCommandOptions): PskCredential | undefined {
  if (key !== undefined && pskFile !== undefined) {
    throw new CommandFailure(
      ExitCode.Usage,
      '-k and --psk-file cannot be used together',
      'leave one of them out',
    );
  }
  if (key !== undefined) {
    if (identity === undefined)
      throw new CommandFailure(ExitCode.Usage, '-k needs an identity', 'give it with -u ID');
    return { identity, key };
  }
  if (identity !== undefined && pskFile === undefined) {
    throw new CommandFailure(ExitCode.Usage, '-u needs a key', 'give it with -k KEY or --psk-file FILE');
  }
  return undefined;
}

function fromPskFile(
  { identity, pskFile }: ClientCommandOptions,
  warn: (text: string) => void,
): PskCredential | undefined {
  if (pskFile === undefined) return undefined;
  const entries = readPskFile(pskFile, warn);
  if (identity !== undefined) {
    const wanted = hexText(new TextEncoder().encode(identity));
    const entry = entries.find((one) => hexText(one.identity) === wanted);
    if (entry !== undefined) return entry;
    throw new CommandFailure(
      ExitCode.Security,
      `${pskFile} has no identity "${identity}"`,
      'check -u, or add a line with "coapsule keys psk"',
    );
  }
  if (entries.length === 1) return entries[0]!;
  throw new CommandFailure(
    entries.length === 0 ? ExitCode.Security : ExitCode.Usage,
    entries.length === 0 ? `${pskFile} has no identity` : `${pskFile} has ${entries.length} identities`,
    entries.length === 0 ? 'add a line with "coapsule keys psk ID --file FILE"' : 'choose one with -u ID',
  );
}

function fromCredentials(
  uri: TargetUri,
  { credentials }: ClientCommandOptions,
  warn: (text: string) => void,
): PskCredential | undefined {
  if (credentials === undefined) return undefined;
  const map = parseCredentialsMap(readFileSync(credentials, 'utf8'), credentials);
  if (process.platform !== 'win32' && (statSync(credentials).mode & 0o077) !== 0) {
    warn(`${credentials} can be read by others: chmod 600 ${credentials}`);
  }
  // For coap no credential is looked up: a map may name other hosts only.
  return uri.scheme === 'coap' ? undefined : map.find(uri.text);
}
