/**
 * What Tab offers in the shell: commands, their options and choices, and paths of the server.
 *
 * @module
 */

import type { Command } from 'commander';
import { takesNextWord } from './shell-line.ts';
import { type ShellSession, shellCommands, shellVerbs } from './shell-session.ts';
import { resolved, targetOf } from './shell-target.ts';

/** What can stand there, and the part of the line that it takes the place of. */
export type Completion = readonly [offers: readonly string[], replaced: string];

/** Offers for the last word of a line. Asks the server once for its paths; never throws. */
export async function completionsOf(session: ShellSession, line: string): Promise<Completion> {
  const words = line.split(/\s+/);
  const last = words.at(-1)!;
  const before = words.slice(0, -1).filter((word, index) => index > 0 || word !== '');
  return [(await offers(session, before, last)).filter((word) => word.startsWith(last)), last];
}

async function offers(
  session: ShellSession,
  [name, ...words]: readonly string[],
  last: string,
): Promise<readonly string[]> {
  if (name === undefined) return withSpace([...shellVerbs, ...Object.keys(shellCommands)].sort());
  if (name === 'help' && words.length === 0) return [...shellVerbs, ...Object.keys(shellCommands)].sort();
  if (name === 'set' && words.length === 0) return withSpace([...session.settable].sort());
  if (name === 'set') return choicesOf(session.command('get'), `--${words[0]}`);
  if (name === 'unset') return session.settings;
  if (name === 'cancel') return [...session.observations.list.map(({ number }) => String(number)), 'all'];
  if (name === 'wait') return session.observations.list.map(({ number }) => String(number));
  if (name === 'cd' || name === 'ls') return words.length === 0 ? pathsFor(session, last) : [];
  const command = session.command(name);
  if (command === undefined) return [];
  const previous = words.at(-1);
  if (previous !== undefined && takesNextWord(previous, command)) return choicesOf(command, previous);
  if (last.startsWith('-')) {
    return withSpace(command.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : [])).sort());
  }
  return pathsFor(session, last);
}

function choicesOf(command: Command | undefined, flag: string): readonly string[] {
  const option = command?.options.find(({ long, short }) => long === flag || short === flag);
  if (option?.argChoices !== undefined) return option.argChoices;
  return option?.long === '--accept' || option?.long === '--content-format' ? commonFormats : [];
}

/** Content formats that are asked for most. */
const commonFormats = [
  'application/cbor',
  'application/json',
  'application/link-format',
  'application/octet-stream',
  'application/senml+cbor',
  'application/senml+json',
  'text/plain',
];

/** Paths in the form that was begun: from the root, or from where the shell is. */
async function pathsFor(session: ShellSession, begun: string): Promise<readonly string[]> {
  const { place } = session;
  if (place === undefined || begun.includes('://')) return [];
  const paths = await session.paths();
  if (begun.startsWith('/')) return paths;
  const folder = begun.slice(0, begun.lastIndexOf('/') + 1);
  const from = targetOf(resolved(place, folder)!).path;
  const base = from.endsWith('/') ? from : `${from}/`;
  return paths.filter((path) => path.startsWith(base)).map((path) => `${folder}${path.slice(base.length)}`);
}

function withSpace(words: readonly string[]): readonly string[] {
  return words.map((word) => `${word} `);
}
