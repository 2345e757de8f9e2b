/**
 * The words of a line of the shell: which of them is the resource, and which belong to options.
 *
 * @module
 */

import type { Command } from 'commander';

/** A command as it was typed. */
export interface ShellLine {
  /** The first word that is neither an option nor the value of one. */
  readonly operand: string | undefined;
  /** All the others, in their order. */
  readonly others: readonly string[];
}

/** Takes the words behind the name of a command apart. @param command that they are for. */
export function shellLine(words: readonly string[], command: Command): ShellLine {
  const others: string[] = [];
  let operand: string | undefined;
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--') {
      // What follows is no option, whatever it looks like.
      if (operand === undefined && at + 1 < words.length) operand = words[++at];
      continue;
    }
    if (!word.startsWith('-') || word === '-') {
      if (operand === undefined) operand = word;
      else others.push(word);
      continue;
    }
    others.push(word);
    if (takesNextWord(word, command) && at + 1 < words.length) others.push(words[++at]!);
  }
  return { operand, others };
}

/** Whether the value of an option is the word behind it. */
export function takesNextWord(word: string, command: Command): boolean {
  if (word.startsWith('--')) {
    return !word.includes('=') && command.options.some(({ long, required }) => long === word && required);
  }
  // `-Nk KEY`: letters without a value may stand before one that has one.
  for (let at = 1; at < word.length; at++) {
    const option = command.options.find(({ short }) => short === `-${word[at]}`);
    if (option === undefined) return false;
    if (option.required) return at === word.length - 1;
  }
  return false;
}
