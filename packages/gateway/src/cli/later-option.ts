/**
 * Options of the contract whose part of the product is still to come: known, hidden, refused by name.
 *
 * @module
 */

import { Option } from 'commander';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';

/** An option with a value that is refused wherever it is given. */
export function laterOption(flags: string, nextStep: string): Option {
  const option = new Option(flags).hideHelp();
  return option.argParser(() => {
    throw new CommandFailure(ExitCode.Usage, `${option.long} is not there yet`, nextStep);
  });
}
