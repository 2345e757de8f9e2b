/**
 * What stands behind an option: the text of the file that it names, the rule that it gives. Whatever is wrong names the option.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { parseRule, type Rule } from '../access/rule.ts';
import { shownPath, systemReason } from '../text/shown-path.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** The bytes of a file. @throws CommandFailure for one that cannot be read. */
export function optionBytes(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CommandFailure(
      ExitCode.Usage,
      `${flag} ${shownPath(path)} cannot be read: ${systemReason(error)}`,
      'name a file that this user may read',
    );
  }
}

/** The text of a file; undefined where the option does not name one. */
export function optionFile<Path extends string | undefined>(
  flag: string,
  path: Path,
): Path extends string ? string : string | undefined;
export function optionFile(flag: string, path: string | undefined): string | undefined {
  return path === undefined ? undefined : optionBytes(flag, path).toString('utf8');
}

/** The same without the line feed that editors put at the end: of a file with a password. */
export function optionSecret<Path extends string | undefined>(
  flag: string,
  path: Path,
): Path extends string ? string : string | undefined;
export function optionSecret(flag: string, path: string | undefined): string | undefined {
  return optionFile(flag, path)?.replace(/\r?\n$/, '');
}

/** A permission, `METHOD:PATH`. */
export function optionRule(flag: string, text: string): Rule {
  const rule = parseRule(text);
  if (typeof rule !== 'string') return rule;
  throw new CommandFailure(ExitCode.Usage, `${flag}: ${rule}`, `such as ${flag} PUT:/light`);
}
