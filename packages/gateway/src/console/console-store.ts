/**
 * The database as the console uses it: a connection of its own, as `coapsule device` has one. The gateway notices what is written with
 * it as it notices what the command writes, so that a key counts, and ends, in one way.
 */

import { ConsoleTable } from '../store/console-table.ts';
import { type OpenDatabase, openDatabase } from '../store/database.ts';
import { DeviceTable } from '../store/device-table.ts';
import { ExplorerTable } from '../store/explorer-table.ts';
import { LastHeard } from '../store/last-heard.ts';
import type { MasterKeySource } from '../vault/master-key.ts';

/** Open as long as the gateway is. */
export interface ConsoleStore {
  readonly opened: OpenDatabase;
  readonly devices: DeviceTable;
  readonly users: ConsoleTable;
  readonly lastHeard: LastHeard;
  readonly explorer: ExplorerTable;
}

/** @throws StoreFault when it cannot be opened. */
export function openConsoleStore(folder: string, masterKey: MasterKeySource | undefined): ConsoleStore {
  const opened = openDatabase(folder, { create: false, asGateway: false, masterKey });
  const { database } = opened;
  return {
    opened,
    devices: new DeviceTable(opened),
    users: new ConsoleTable(database),
    lastHeard: new LastHeard(database),
    explorer: new ExplorerTable(opened),
  };
}
