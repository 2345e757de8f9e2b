/**
 * `coapsule backup` and `coapsule restore`: the store of the gateway as one file, and a data folder made of such a file.
 *
 * @module
 */

import { Command } from 'commander';
import { ChangeAudit } from '../audit/audit-log.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import { backUp } from '../store/backup.ts';
import { restore } from '../store/restore.ts';
import { printable } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { addMasterKeyOption, masterKeyOf } from './master-key-option.ts';
import { pathValue } from './option-values.ts';
import { warningsTo } from './warnings.ts';

type Streams = Pick<CommandEnvironment, 'stderr' | 'variables'>;

/** Makes `coapsule backup`. */
export function backupCommand({ stderr }: Streams): Command {
  return new Command('backup')
    .argument('<file>', 'where it goes; for its owner only', pathValue)
    .option('--data <folder>', "the gateway's data folder", pathValue, './data')
    .option('--no-firmware', 'leave the files of firmware out')
    .addHelpText('after', backupHelp)
    .action(async (file: string, { data, firmware: withFirmware }: { data: string; firmware: boolean }) => {
      const made = await backUp(data, file, systemWallClock(), withFirmware);
      const { devices, readings, keyId, madeAtMs, firmware } = made;
      const warn = warningsTo({ stderr });
      for (const label of firmware?.missing ?? [])
        warn(`the file of firmware ${printable(label)} is missing, and not in the backup`);
      new ChangeAudit(data, systemWallClock, warn).add({
        event: 'store-backed-up',
        how: 'coapsule backup',
        file,
      });
      stderr.write(
        `${file} has ${devices} devices and ${readings} readings of ${new Date(madeAtMs).toISOString()}${filesText(firmware?.files)}\n` +
          `to restore it the master key ${keyId} is needed as well: keep that apart from it\n`,
      );
    });
}

function filesText(count = 0): string {
  return count === 0 ? '' : `, and ${count} files of firmware`;
}

const backupHelp = `
Readings, devices with their sealed keys, registrations, states and firmware are in it. Not in it: the master key, kept
DTLS associations (devices make new handshakes), unfinished uploads of firmware, audit files and files that options
name. With --no-firmware the files of firmware are not in it either: copy the folder "firmware" of the data folder.

Example:
  coapsule backup --data /var/lib/coapsule /backup/coapsule-$(date +%F).db`;

/** Makes `coapsule restore`. */
export function restoreCommand({ stderr, variables }: Streams): Command {
  return addMasterKeyOption(
    new Command('restore')
      .argument('<file>', 'as "coapsule backup" made it', pathValue)
      .option(
        '--data <folder>',
        'a folder that is empty but for master.key, or is not there',
        pathValue,
        './data',
      ),
  )
    .addHelpText('after', restoreHelp)
    .action(async (file: string, options: { data: string; masterKey?: string }) => {
      const masterKey = masterKeyOf(options, variables);
      const warn = warningsTo({ stderr });
      const restored = restore(file, options.data, masterKey, systemWallClock());
      const { devices, readings, contexts, exhausted, firmware, madeAtMs } = restored;
      const madeAt = new Date(madeAtMs).toISOString();
      for (const text of restored.warnings) warn(text);
      for (const id of exhausted)
        warn(`the OSCORE context of ${printable(id)} has no numbers left; give it a new one: device rotate`);
      new ChangeAudit(options.data, systemWallClock, warn).add({
        ...{ event: 'store-restored', how: 'coapsule restore', file, madeAt, devices, readings },
      });
      stderr.write(
        `${options.data} has ${devices} devices and ${readings} readings, as they were on ${madeAt}${filesText(firmware)}\n` +
          'devices that were rotated, removed or denied since then are as they were before: do that again\n',
      );
      if (contexts > 0) {
        stderr.write(
          `${contexts} OSCORE contexts go on with numbers far above; each device proves once that it is there now\n`,
        );
      }
    });
}

const restoreHelp = `
The master key is that of the backup: put it into the folder as master.key, or name it with --master-key.
DTLS associations begin anew. A gateway must not run on the old folder any more: both would use the same keys.

Example:
  coapsule restore /backup/coapsule-2026-11-28.db --data /var/lib/coapsule --master-key /etc/coapsule/master.key`;
