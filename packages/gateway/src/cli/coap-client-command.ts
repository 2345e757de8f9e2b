/**
 * `coapsule client` as a command with options: for the overview, the manual and completions. What it is given is read by
 * `coap-client-flags.ts`, as getopt does it.
 *
 * @module
 */

import { Command } from 'commander';
import { coapClientFlags, coapClientNotes } from './coap-client-flag-table.ts';

/** Makes the command. */
export function coapClientCommand(): Command {
  const command = new Command('client').argument('<uri>', 'the resource');
  for (const { letter, value, meaning, refused } of coapClientFlags) {
    const flag = value === undefined ? `-${letter}` : `-${letter} <${value.replaceAll(/[[\]]/g, '')}>`;
    command.option(flag, refused === undefined ? meaning : `refused: ${refused}`);
  }
  return command.addHelpText('after', `\n${coapClientNotes}`);
}
