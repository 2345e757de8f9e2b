/**
 * How advice and figures are printed: lines for people, or one JSON object.
 *
 * @module
 */

import { printableJson } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';

/** What a command found out. */
export interface Finding {
  /** All of it, for programs. */
  readonly value: object;
  /** The same for people. */
  readonly lines: readonly string[];
}

/** Prints it to standard output. */
export function printFinding(
  { value, lines }: Finding,
  asJson: boolean,
  { stdout }: Pick<CommandEnvironment, 'stdout'>,
): void {
  stdout.write(asJson ? `${printableJson(value)}\n` : `${lines.join('\n')}\n`);
}

/** Rows in columns that stand under each other, the first row being the heading. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

/** A number as people read it: up to `digits` digits behind the point, none of them a needless zero. */
export function figure(value: number, digits = 1): string {
  return String(Number(value.toFixed(digits)));
}

/** Lines that begin with a word, such as "warning". */
export function marked(word: string, texts: readonly string[]): readonly string[] {
  return texts.map((text) => `${word}: ${text}`);
}
