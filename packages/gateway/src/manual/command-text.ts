/**
 * What the help of a command says, taken apart: for the pages of the manual, and for tests that every command explains itself.
 *
 * @module
 */

import type { Command } from 'commander';

/** One line of a list: an argument, an option or a command with what it is. */
export interface DescribedTerm {
  readonly term: string;
  readonly description: string;
}

/** A piece of the text behind the options. */
export type HelpBlock =
  /** Sentences, of which the lines do not matter. */
  | { readonly kind: 'paragraph'; readonly text: string }
  /** Lines that stay as they are. */
  | { readonly kind: 'lines'; readonly lines: readonly string[] };

/** All that the help of a command says. */
export interface CommandText {
  /** With the commands above it: `coapsule device add`. */
  readonly name: string;
  readonly description: string;
  /** Such as `[options] <id>`. */
  readonly usage: string;
  readonly arguments: readonly DescribedTerm[];
  readonly options: readonly DescribedTerm[];
  readonly notes: readonly HelpBlock[];
  /** The lines below `Example:` or `Examples:`, or `Example, in the configuration of an assistant:`. */
  readonly examples: readonly string[];
  /** Sentence with the exit codes; empty where none is told. */
  readonly exitCodes: string;
  readonly commands: readonly CommandText[];
}

/** Takes the help of a command and of all below it apart. */
export function commandText(command: Command, above: readonly string[] = []): CommandText {
  const help = command.createHelp();
  const path = [...above, command.name()];
  const { notes, examples, exitCodes } = partsOf(textBehind(command));
  return {
    name: path.join(' '),
    description: command.description(),
    usage: command.usage(),
    arguments: command.registeredArguments.map((argument) => ({
      term: help.argumentTerm(argument),
      description: help.argumentDescription(argument),
    })),
    options: help.visibleOptions(command).map((option) => ({
      term: help.optionTerm(option),
      description: help.optionDescription(option),
    })),
    notes,
    examples,
    exitCodes,
    commands: help
      .visibleCommands(command)
      .filter((sub) => sub.name() !== 'help')
      .map((sub) => commandText(sub, path)),
  };
}

/** What was added behind the options. */
function textBehind(command: Command): string {
  const { writeOut = () => {} } = command.configureOutput();
  const parts: string[] = [];
  command.configureOutput({ writeOut: (text) => void parts.push(text) });
  command.outputHelp();
  command.configureOutput({ writeOut });
  return parts.join('').slice(command.helpInformation().length);
}

function partsOf(text: string): Pick<CommandText, 'notes' | 'examples' | 'exitCodes'> {
  const notes: HelpBlock[] = [];
  const examples: string[] = [];
  let exitCodes = '';
  let inExamples = false;
  for (const line of text.split('\n')) {
    if (/^Examples?(, .*)?:$/.test(line)) {
      inExamples = true;
      continue;
    }
    if (inExamples && (line === '' || line.startsWith('  '))) {
      if (line !== '') examples.push(line.slice(2));
      continue;
    }
    inExamples = false;
    const last = notes.at(-1);
    if (line.startsWith('  ')) {
      if (last?.kind === 'lines')
        notes.splice(-1, 1, { kind: 'lines', lines: [...last.lines, line.slice(2)] });
      else notes.push({ kind: 'lines', lines: [line.slice(2)] });
    } else if (line === '') {
      notes.push({ kind: 'paragraph', text: '' });
    } else if (last?.kind === 'paragraph' && last.text !== '') {
      notes.splice(-1, 1, { kind: 'paragraph', text: `${last.text} ${line}` });
    } else {
      notes.push({ kind: 'paragraph', text: line });
    }
  }
  return {
    notes: notes.filter((block) => {
      if (block.kind === 'lines') return true;
      if (block.text.startsWith('Exit codes: ')) exitCodes = block.text.slice('Exit codes: '.length);
      return block.text !== '' && !block.text.startsWith('Exit codes: ');
    }),
    examples,
    exitCodes,
  };
}
