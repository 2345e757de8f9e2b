/**
 * Which serial devices this machine has: as the system tells them, and on Linux without udev by their names in `/dev`.
 *
 * @module
 */

import { readdir, readFile } from 'node:fs/promises';

/** A serial device of this machine. */
export interface SerialDeviceInfo {
  /** What opens it: `/dev/ttyUSB0`, `COM3`. */
  readonly path: string;
  /** Who made it, where the system knows. */
  readonly manufacturer?: string;
  /** Its own serial number, where it has one and the system knows it. */
  readonly serialNumber?: string;
  /** USB vendor and product, four hexadecimal digits each. */
  readonly vendorId?: string;
  readonly productId?: string;
}

/** The same as the package tells it. */
export interface ListedDevice {
  readonly path: string;
  readonly manufacturer?: string | undefined;
  readonly serialNumber?: string | undefined;
  readonly vendorId?: string | undefined;
  readonly productId?: string | undefined;
}

/**
 * The serial devices that are there now, sorted by path; none where the system tells nothing.
 *
 * @param list how the package `serialport` asks the system.
 */
export async function devicesOf(
  list: () => Promise<readonly ListedDevice[]>,
): Promise<readonly SerialDeviceInfo[]> {
  let found: readonly SerialDeviceInfo[];
  try {
    found = (await list()).map(described);
  } catch {
    // Linux asks udevadm, which small systems lack.
    found = (await linuxDevices('/dev', '/sys/class/tty')).map((path) => ({ path }));
  }
  return found.toSorted((one, other) => one.path.localeCompare(other.path, 'en', { numeric: true }));
}

function described({
  path,
  manufacturer,
  serialNumber,
  vendorId,
  productId,
}: ListedDevice): SerialDeviceInfo {
  return {
    path,
    ...(manufacturer && { manufacturer }),
    ...(serialNumber && { serialNumber }),
    ...(vendorId && { vendorId }),
    ...(productId && { productId }),
  };
}

/** Drivers make these names when a device is there. */
const namedByDriver = /^(?:tty(?:USB|ACM|AMA|GS|SC|O|HS|MFD|WCHUSB|XRUSB)|rfcomm)\d+$/;

/** Paths by the names in a folder of devices. @param classes where the kernel describes them. */
export async function linuxDevices(folder: string, classes: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const isThere = await Promise.all(
    names.map(async (name) => {
      if (namedByDriver.test(name)) return true;
      if (!/^ttyS\d+$/.test(name)) return false;
      // There are always names of this kind; type 0 is a port without a chip.
      const type = await readFile(`${classes}/${name}/type`, 'utf8').catch(() => '0');
      return type.trim() !== '0';
    }),
  );
  return names.filter((_, index) => isThere[index]).map((name) => `${folder}/${name}`);
}
