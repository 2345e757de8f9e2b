/**
 * What can be written after each command: its sub-commands, its options, and their values where they are a choice.
 *
 * @module
 */

import type { Command } from 'commander';

/** One word that can come next. */
export interface CompletionWord {
  readonly word: string;
  readonly description: string;
}

/** An option. */
export interface CompletionOption {
  /** `--loss`, and `-l` if it has a short form. */
  readonly flags: readonly string[];
  readonly description: string;
  /** A value follows it. */
  readonly takesValue: boolean;
  /** Empty where it can be anything, such as a file. */
  readonly choices: readonly string[];
}

/** One command. */
export interface CompletionEntry {
  /** From the first word behind `coapsule` on; empty for `coapsule` itself. */
  readonly path: readonly string[];
  /** Sub-commands, and values of an argument that is a choice. */
  readonly words: readonly CompletionWord[];
  readonly options: readonly CompletionOption[];
}

/** Those of a command and of all below it. */
export function completionEntries(
  command: Command,
  path: readonly string[] = [],
): readonly CompletionEntry[] {
  const visible = command.createHelp().visibleCommands(command);
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) =>
    argChoices.map((word): CompletionWord => ({ word, description: '' })),
  );
  const options = command.options
    .filter(({ hidden }) => !hidden)
    .map(
      ({ long, short, description, required, optional, argChoices }): CompletionOption => ({
        flags: [long, short].filter((flag) => flag !== undefined && flag !== null),
        description: firstLine(description),
        takesValue: required || optional,
        choices: argChoices ?? [],
      }),
    );
  const entry: CompletionEntry = {
    path,
    words: [
      ...visible.map(
        (sub): CompletionWord => ({ word: sub.name(), description: firstLine(sub.description()) }),
      ),
      ...choices,
    ],
    options: [...options, { flags: ['--help', '-h'], description: 'help', takesValue: false, choices: [] }],
  };
  return [
    entry,
    ...visible
      .filter((sub) => sub.name() !== 'help')
      .flatMap((sub) => completionEntries(sub, [...path, sub.name()])),
  ];
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}
