/**
 * The pre-shared key that a verb is given: on the command line, or in an identity file.
 *
 * @module
 */

import type { PskCredential } from 'coapsule';
import type { ClientCommandOptions } from './client-command-options.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { hexText } from './option-values.ts';
import { readPskFile } from './psk-file.ts';

/** RFC 4279 §7.2 leaves the length open; below this a captured handshake can be tried out (spec: warn). */
const shortKeyBytes = 16;

/** The pre-shared key of the options: `-u` with `-k` goes before `--psk-file`. */
export function pskFromOptions(
  options: ClientCommandOptions,
  warn: (text: string) => void,
): PskCredential | undefined {
  return fromCommandLine(options) ?? fromPskFile(options, warn);
}

/** Warns of a key that is short enough to be guessed. */
export function warnAboutKey({ key }: PskCredential, warn: (text: string) => void): void {
  if (key.length < shortKeyBytes)
    warn(`the key has ${key.length} bytes, fewer than 16: it can be guessed from one captured handshake`);
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
