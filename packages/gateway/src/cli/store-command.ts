/**
 * `coapsule store`: what concerns the store of the gateway as a whole.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { ChangeAudit } from '../audit/audit-log.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import { openDatabase } from '../store/database.ts';
import { resealStore, scrub } from '../store/sealing.ts';
import { formerKey, keyBeside, type MasterKeySource } from '../vault/master-key.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { addMasterKeyOption, masterKeyOf } from './master-key-option.ts';
import { pathValue } from './option-values.ts';
import { warningsTo } from './warnings.ts';

type StoreStreams = Pick<CommandEnvironment, 'stderr' | 'variables'>;

interface RekeyOptions {
  readonly data: string;
  readonly masterKey?: string;
  readonly newMasterKey?: string;
}

/** Makes the command with its sub-commands. */
export function storeCommand(streams: StoreStreams): Command {
  const store = new Command('store');
  addMasterKeyOption(
    store
      .command('rekey')
      .description('seal all secrets anew under another master key; the gateway has to be stopped')
      .option('--data <folder>', "the gateway's data folder", pathValue, './data'),
  )
    .option(
      '--new-master-key <file>',
      'the new key, as "coapsule keys master" makes it; without it one is made beside the data',
      pathValue,
    )
    .addHelpText('after', rekeyHelp)
    .action((options: RekeyOptions) => rekey(streams, options));
  return store;
}

const rekeyHelp = `
Whatever interrupts it, afterwards one of the two keys opens all of the store: the old one before it was done, the
new one after.

Example:
  coapsule keys master /etc/coapsule/master.key
  coapsule store rekey --data /var/lib/coapsule --new-master-key /etc/coapsule/master.key
  coapsule serve --data /var/lib/coapsule --master-key /etc/coapsule/master.key`;

function rekey({ stderr, variables }: StoreStreams, options: RekeyOptions): void {
  const warn = warningsTo({ stderr });
  const from = masterKeyOf(options, variables);
  const { newMasterKey } = options;
  const to: MasterKeySource =
    newMasterKey === undefined
      ? { kind: 'beside' }
      : { kind: 'file', path: newMasterKey, from: '--new-master-key' };
  const opened = openDatabase(options.data, { create: false, asGateway: true, masterKey: from });
  try {
    const { folder, secrets: old } = opened;
    const { count, secrets } = resealStore(opened, folder, to);
    const left = scrub(opened.database);
    if (left !== undefined) warn(left);
    new ChangeAudit(folder.path, systemWallClock, warn).add({
      event: 'store-rekeyed',
      how: 'coapsule store rekey',
      from: old.keyId,
      to: secrets.keyId,
      secrets: count,
    });
    const where = to.kind === 'file' ? to.path : keyBeside(folder.path);
    stderr.write(`${count} secrets are sealed anew; the master key is ${secrets.keyId} in ${where} now\n`);
    const former = formerKey(keyBeside(folder.path), old.keyId);
    const isIn = existsSync(former) ? `, which is in ${former} now,` : '';
    stderr.write(`the key ${old.keyId}${isIn} still opens older backups: keep it as long as those\n`);
  } finally {
    opened.close();
  }
}
