/**
 * `--master-key FILE`, for all commands that work on the secrets of a data folder.
 *
 * @module
 */

import type { Command } from 'commander';
import { type MasterKeySource, masterKeySource } from '../vault/master-key.ts';
import { pathValue } from './option-values.ts';

/** Adds the option. */
export function addMasterKeyOption(command: Command): Command {
  return command.option(
    '--master-key <file>',
    'key that opens the secrets of the store; else the credential coapsule-master-key of the service manager, else master.key beside the data',
    pathValue,
  );
}

/** Where the master key is, for a command that reads no configuration file: flag before COAPSULE_MASTER_KEY. */
export function masterKeyOf(
  { masterKey }: { readonly masterKey?: string },
  variables: Readonly<Record<string, string | undefined>>,
): MasterKeySource {
  return masterKeySource(masterKey ?? (variables['COAPSULE_MASTER_KEY'] || undefined), variables);
}
