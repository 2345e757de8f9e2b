/**
 * How the help of commands is set: no line is wider than the terminal, or than people like to read.
 *
 * @module
 */

import type { Help, HelpConfiguration } from 'commander';

const mostColumns = 100;
const usualColumns = 80;

/** A longer term has a line of its own, with what it is below. */
const mostTermColumns = 32;

/** What stands in front of a term, and between it and what it is. */
const indent = 2;

/** Columns of the help. @param terminal what the terminal has; undefined for a pipe or a file. */
export function helpColumns(terminal: number | undefined): number {
  return Math.min(terminal ?? usualColumns, mostColumns);
}

/** Lists of terms with what they are. */
export const helpFormat: HelpConfiguration = {
  formatItem(term: string, termWidth: number, description: string, helper: Help): string {
    const column = Math.min(termWidth, mostTermColumns) + 2 * indent;
    const width = (helper.helpWidth ?? usualColumns) - column;
    const head = `${' '.repeat(indent)}${term}`;
    if (description === '') return head;
    const lines = wrappedLine(description.replaceAll(/\s+/g, ' '), Math.max(width, 20));
    const below = lines.map((line) => `${' '.repeat(column)}${line}`);
    if (head.length + indent > column) return [head, ...below].join('\n');
    return [head.padEnd(column) + lines[0], ...below.slice(1)].join('\n');
  },
};

/**
 * Help with lines of at most so many columns.
 *
 * Lines at the margin are filled as paragraphs. Indented ones go on further to the right, and a command with a backslash, so that it can be
 * copied as it stands.
 */
export function wrapped(text: string, columns: number): string {
  const lines: string[] = [];
  let paragraph: string[] = [];
  const endParagraph = (): void => {
    if (paragraph.length > 0) lines.push(...wrappedLine(paragraph.join(' '), columns));
    paragraph = [];
  };
  for (const line of text.split('\n')) {
    if (line !== '' && !line.startsWith(' ')) {
      paragraph.push(line);
      continue;
    }
    endParagraph();
    lines.push(...(line.length <= columns ? [line] : continued(line, columns)));
  }
  endParagraph();
  return lines.join('\n');
}

function continued(line: string, columns: number): readonly string[] {
  const margin = /^ */.exec(line)![0];
  const rest = line.slice(margin.length);
  const ending = rest.startsWith('coapsule ') ? ' \\' : '';
  const parts = wrappedLine(rest, columns - margin.length - 4 - ending.length);
  return parts.map(
    (part, index) =>
      `${margin}${index === 0 ? '' : '    '}${part}${index === parts.length - 1 ? '' : ending}`,
  );
}

function wrappedLine(line: string, columns: number): readonly string[] {
  const lines: string[] = [];
  for (const word of line.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines.splice(-1, 1, `${last} ${word}`);
    else lines.push(word);
  }
  return lines;
}
