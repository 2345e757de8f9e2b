/**
 * `coapsule codes`: the response codes, filtered and searched.
 *
 * @module
 */

import { Command, Option } from 'commander';
import { findResponseCodes, type ResponseCodeClass } from '../advice/response-codes.ts';
import { printable } from '../text/printable.ts';
import { printFinding, table } from './advice-output.ts';
import type { CommandEnvironment } from './command-environment.ts';

/** Makes the command. */
export function codesCommand(environment: CommandEnvironment): Command {
  return new Command('codes')
    .argument('[search]', 'a code or a word, looked for in all columns')
    .addOption(
      new Option('--class <class>', 'success, client errors or server errors').choices(['2', '4', '5']),
    )
    .option('--all', 'all registered codes, not only the 17 that everybody meets')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nA code is one byte, class and detail: 4.04 is 0x84.\n\nExample:\n  coapsule codes "not found"',
    )
    .action((search: string | undefined, { class: digit, all, json }: CodesOptions) => {
      const { found, of } = findResponseCodes({
        ...(digit !== undefined && { class: Number(digit) as ResponseCodeClass }),
        ...(search !== undefined && { search }),
        all: all === true,
      });
      const rows = found.map(({ text, name, http, description, example }) => [
        text,
        name,
        http,
        description,
        example,
      ]);
      const lines = [
        ...(rows.length === 0
          ? [`no response code has "${printable(search ?? '')}" in it`]
          : table([['code', 'name', 'HTTP', 'meaning', 'example'], ...rows])),
        `${found.length} of ${of} shown`,
      ];
      printFinding({ value: { found, of }, lines }, json === true, environment);
    });
}

interface CodesOptions {
  readonly class?: '2' | '4' | '5';
  readonly all?: true;
  readonly json?: true;
}
