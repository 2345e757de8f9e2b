/**
 * Options of `coapsule serve` that give pre-shared keys besides those of the devices in the store.
 *
 * @module
 */

import type { Command } from 'commander';
import type { Log } from '../server/log.ts';
import { hintProblem, type PskEntry, parsePsk, pskIdentityProblem } from '../server/serve-options.ts';
import { printable } from '../text/printable.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { keyValue, pathValue } from './option-values.ts';
import { readPskFile } from './psk-file.ts';

/** What was given. */
export interface PskCommandOptions {
  readonly psk?: readonly PskEntry[];
  readonly pskFile?: string;
  readonly pskHint?: string;
}

/** Adds the options to a command. */
export function addPskOptions(command: Command): void {
  command
    .option(
      '--psk <id:key>',
      'one more device; key as text or 0x and hex; "*:KEY" takes any identity',
      pskValue,
    )
    .option('--psk-file <file>', 'more devices, as lines ID:KEY', pathValue)
    .option('--psk-hint <text>', 'PSK identity hint for clients', hintValue);
}

/** Those of `--psk` and of `--psk-file`. */
export function pskEntries({ psk = [], pskFile }: PskCommandOptions, log: Log): readonly PskEntry[] {
  if (pskFile === undefined) return psk;
  let entries = psk;
  for (const { identity, key } of readPskFile(pskFile, (text) => log.warning(text))) {
    const refuse = (problem: string): never => {
      throw new CommandFailure(ExitCode.Usage, `${pskFile}: ${problem}`, 'correct the file');
    };
    let name: string;
    try {
      name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(identity);
    } catch {
      return refuse('an identity is not UTF-8');
    }
    const problem = pskIdentityProblem(name);
    if (problem !== undefined) refuse(problem);
    if (entries.some((other) => other.identity === name)) {
      refuse(`the identity ${printable(name)} stands in it twice, or is given with --psk too`);
    }
    entries = [...entries, { identity: name, key }];
  }
  return entries;
}

/** The text is not repeated in messages: it holds a key. */
function pskValue(text: string, before: readonly PskEntry[] = []): readonly PskEntry[] {
  const entry = parsePsk(text, keyValue);
  if ('problem' in entry) {
    throw new CommandFailure(ExitCode.Usage, `--psk: ${entry.problem}`, 'such as --psk sensor-7:0x00112233…');
  }
  if (before.some(({ identity }) => identity === entry.identity)) {
    throw new CommandFailure(
      ExitCode.Usage,
      `--psk names "${entry.identity}" twice`,
      'give one key for each identity',
    );
  }
  return [...before, entry];
}

function hintValue(text: string): string {
  const problem = hintProblem(text);
  if (problem !== undefined)
    throw new CommandFailure(ExitCode.Usage, `--psk-hint ${problem}`, 'give a shorter one');
  return text;
}
