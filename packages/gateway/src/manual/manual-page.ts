/**
 * Pages of the manual, section 1, out of what the commands say of themselves: `coapsule.1`, and `coapsule-NAME.1` for each command
 * with those below it.
 *
 * @module
 */

import type { CommandText, DescribedTerm, HelpBlock } from './command-text.ts';
import { roffArgument, roffLines, roffText } from './roff.ts';

/** A file of the manual. */
export interface ManualPage {
  /** `coapsule-serve.1` */
  readonly file: string;
  readonly text: string;
}

const environment: readonly DescribedTerm[] = [
  { term: 'SSLKEYLOGFILE', description: 'file for the secrets of connections, as --keylog names one' },
  {
    term: 'COAPSULE_TOKEN',
    description: 'token for a gateway that runs, as the file of --token-file has it',
  },
  { term: 'COAPSULE_HISTORY', description: 'file with the history of "coapsule shell"' },
  { term: 'COAPSULE_SERIAL', description: 'the serial line of a URI that names none' },
  {
    term: 'COAPSULE_MASTER_KEY',
    description:
      'file with the key that opens the secrets in the store of a gateway, as --master-key names one',
  },
  {
    term: 'COAPSULE_...',
    description: 'each option of "coapsule serve": --psk-hint is COAPSULE_PSK_HINT',
  },
];

const files: readonly DescribedTerm[] = [
  {
    term: './data',
    description: 'what a gateway keeps, unless --data names another folder; for its owner only',
  },
];

/** All pages. @param program the command `coapsule` with all others whole. @param version of the package. */
export function manualPages(program: CommandText, version: string): readonly ManualPage[] {
  return [
    overviewPage(program, version),
    ...program.commands.map((command) => commandPage(command, version)),
  ];
}

function overviewPage(program: CommandText, version: string): ManualPage {
  const seeAlso = program.commands.map(({ name }) => pageName(name));
  return page(program.name, version, [
    ...nameSection(program),
    ...synopsis(program),
    ...section('COMMANDS', [
      ...terms(program.commands.map(({ name, description }) => ({ term: lastWord(name), description }))),
      '.PP',
      'Each has a page of its own; its options stand in',
      '.B coapsule help',
      '.I command',
      'as well.',
    ]),
    ...ownSections(program),
    ...section('ENVIRONMENT', terms(environment)),
    ...section('FILES', terms(files)),
    ...references(seeAlso),
  ]);
}

function commandPage(command: CommandText, version: string): ManualPage {
  return page(command.name, version, [
    ...nameSection(command),
    ...synopsis(command),
    ...ownSections(command),
    ...subcommands(command.commands),
    ...references(['coapsule']),
  ]);
}

/** A command below another has a section with its usage, what it takes, and its examples. */
function subcommands(commands: readonly CommandText[]): readonly string[] {
  return commands.flatMap((command) => [
    ...section(command.name.split(' ').slice(1).join(' ').toUpperCase(), [
      ...usageLine(command),
      '.PP',
      ...roffLines(sentence(command.description)),
      ...terms(command.arguments),
      ...terms(command.options),
      ...blocks(command.notes),
      ...(command.exitCodes === '' ? [] : ['.PP', ...roffLines(`Exit codes: ${command.exitCodes}`)]),
      ...(command.examples.length === 0 ? [] : ['.PP', 'For example:', ...lines(command.examples)]),
    ]),
    ...subcommands(command.commands),
  ]);
}

function page(name: string, version: string, content: readonly string[]): ManualPage {
  const title = pageName(name);
  // No date: the page says what this version does, whenever it was made.
  const head = [
    '.\\" Made from the commands by "npm run manual": change them, not this file.',
    `.TH ${roffArgument(title.toUpperCase())} 1 "" ${roffArgument(`coapsule ${version}`)} "coapsule manual"`,
    '.nh',
    '.ad l',
  ];
  return { file: `${title}.1`, text: `${[...head, ...content].join('\n')}\n` };
}

function nameSection({ name, description }: CommandText): readonly string[] {
  return section('NAME', [`${roffText(pageName(name))} \\-`, ...roffLines(description.replace(/\.$/, ''))]);
}

function synopsis(command: CommandText): readonly string[] {
  return section('SYNOPSIS', [
    ...usageLine(command),
    ...command.commands
      .filter(() => command.name !== 'coapsule')
      .flatMap((sub) => ['.br', ...usageLine(sub)]),
  ]);
}

function usageLine({ name, usage }: CommandText): readonly string[] {
  return [`.B ${roffText(name)}`, ...(usage === '' ? [] : [roffText(usage)])];
}

function ownSections(command: CommandText): readonly string[] {
  const { notes, examples, exitCodes } = command;
  return [
    ...(command.arguments.length === 0 ? [] : section('ARGUMENTS', terms(command.arguments))),
    ...(command.options.length === 0 ? [] : section('OPTIONS', terms(command.options))),
    ...(notes.length === 0 ? [] : section('NOTES', blocks(notes))),
    ...(exitCodes === '' ? [] : section('EXIT STATUS', roffLines(sentence(exitCodes)))),
    ...(examples.length === 0 ? [] : section('EXAMPLES', lines(examples))),
  ];
}

function references(names: readonly string[]): readonly string[] {
  const last = names.length - 1;
  return section(
    'SEE ALSO',
    names.map((name, index) => `.BR ${roffText(name)} (1)${index === last ? '' : ' ,'}`),
  );
}

function section(title: string, content: readonly string[]): readonly string[] {
  // A paragraph begins with the section itself.
  return [`.SH ${roffArgument(title)}`, ...(content[0] === '.PP' ? content.slice(1) : content)];
}

function terms(all: readonly DescribedTerm[]): readonly string[] {
  return all.flatMap(({ term, description }) => ['.TP', `.B ${roffText(term)}`, ...roffLines(description)]);
}

function blocks(all: readonly HelpBlock[]): readonly string[] {
  return all.flatMap((block) =>
    block.kind === 'paragraph' ? ['.PP', ...roffLines(block.text)] : lines(block.lines),
  );
}

function lines(all: readonly string[]): readonly string[] {
  return ['.PP', '.RS 4', '.nf', ...all.map((line) => (line === '' ? '.sp' : roffText(line))), '.fi', '.RE'];
}

function pageName(name: string): string {
  return name.replaceAll(' ', '-');
}

function lastWord(name: string): string {
  return name.slice(name.lastIndexOf(' ') + 1);
}

function sentence(text: string): string {
  const begun = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
