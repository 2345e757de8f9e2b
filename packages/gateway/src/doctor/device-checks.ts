/**
 * Checks of what the program reads and writes: serial devices, and the data folder.
 *
 * @module
 */

import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { serialDevices } from 'coapsule';
import { type Check, fine, notice, trouble } from './check.ts';

/** Whether serial devices that are there may be opened. */
export const serialCheck: Check = {
  name: 'serial lines',
  async run() {
    let devices: Awaited<ReturnType<typeof serialDevices>>;
    try {
      devices = await serialDevices();
    } catch (error) {
      return notice((error as Error).message, 'serial lines need the package serialport');
    }
    const closed = devices.map(({ path }) => path).filter((path) => !isOpen(path));
    if (closed.length > 0) {
      return trouble(
        `${closed.join(', ')} may not be opened`,
        'add the user to the group of the device (dialout, uucp), and log in again',
      );
    }
    return fine(devices.length === 0 ? 'none is plugged in' : devices.map(({ path }) => path).join(', '));
  },
};

function isOpen(path: string): boolean {
  // COM3 of Windows has no file that could be asked.
  if (!path.startsWith('/')) return true;
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** The folder of the gateway. */
export function dataFolderCheck(path: string): Check {
  return {
    name: 'data folder',
    async run() {
      if (!existsSync(path)) return fine(`${path} is not there yet: the gateway makes it`);
      try {
        accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
      } catch (error) {
        return trouble((error as Error).message, 'give the user of the gateway the right to it');
      }
      const isOpenToOthers = process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0;
      return isOpenToOthers
        ? notice(`${path} can be read by others`, `it holds keys and readings: chmod 700 ${path}`)
        : fine(path);
    },
  };
}
