/**
 * The devices in the store of a data folder, as the commands of `coapsule device` work on them.
 *
 * @module
 */

import { type AuditedChange, ChangeAudit } from '../audit/audit-log.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import { type OpenDatabase, openDatabase } from '../store/database.ts';
import { DeniedTable } from '../store/denied-table.ts';
import { type DeviceCredential, DeviceTable } from '../store/device-table.ts';
import { printable } from '../text/printable.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { masterKeyOf } from './master-key-option.ts';
import { warningsTo } from './warnings.ts';

/** Which folder. */
export interface FolderOption {
  readonly data: string;
  /** File with the master key, where it does not lie beside the data. */
  readonly masterKey?: string;
}

/** Works on the devices of a folder. @param changes what is noted when the work is done. */
export function withDevices<T>(
  { stderr, variables }: Pick<CommandEnvironment, 'stderr' | 'variables'>,
  options: FolderOption,
  create: boolean,
  work: (devices: DeviceTable, opened: OpenDatabase) => T,
  changes: readonly AuditedChange[] = [],
): T {
  const warn = warningsTo({ stderr });
  const masterKey = masterKeyOf(options, variables);
  const opened = openDatabase(options.data, { create, asGateway: false, masterKey });
  try {
    for (const warning of opened.warnings) warn(warning);
    const result = work(new DeviceTable(opened), opened);
    const audit = new ChangeAudit(opened.folder.path, systemWallClock, warn);
    for (const change of changes) audit.add(change);
    return result;
  } finally {
    opened.close();
  }
}

/** Who has a key is told by it alone, so no two devices may have the same; and a context begins once (RFC 8613 §7.2.1). */
export function expectUnused(
  devices: DeviceTable,
  id: string,
  credential: DeviceCredential,
  opened: OpenDatabase,
): void {
  if (credential.kind === 'psk') return;
  if (credential.kind === 'oscore') {
    const owner = devices.ownerOfContext(credential);
    if (owner === undefined) return;
    throw new CommandFailure(
      ExitCode.Security,
      `the device ${printable(owner)} has this OSCORE context: its numbers would begin anew, and be used twice`,
      'make a new context for both ends with "coapsule keys oscore", or with --oscore generate',
    );
  }
  if (new DeniedTable(opened).firstOf([credential.fingerprint]) !== undefined) {
    throw new CommandFailure(
      ExitCode.Failure,
      `${credential.fingerprint} is on the deny list, so ${printable(id)} could not get in with it`,
      'give it another one, or take this off the list with "coapsule device undeny"',
    );
  }
  const owner = devices.findByFingerprint(credential.fingerprint);
  if (owner === undefined || owner.id === id) return;
  throw new CommandFailure(
    ExitCode.Failure,
    `the device ${printable(owner.id)} has this ${credential.kind === 'rpk' ? 'raw public key' : 'certificate'}`,
    'give each device its own: with one for two, neither could be told from the other',
  );
}

/** @throws CommandFailure, always. */
export function missingDevice(id: string): never {
  throw new CommandFailure(
    ExitCode.Failure,
    `there is no device ${printable(id)}`,
    'see "coapsule device list" (and --data)',
  );
}
