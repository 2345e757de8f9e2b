/**
 * The devices of serial lines: their paths on each system, which there are, and what it means when one cannot be opened.
 *
 * Uses the npm package `serialport`, an optional peer dependency, loaded when the first line is opened.
 *
 * @module
 */

import { stat } from 'node:fs/promises';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { devicesOf, type ListedDevice, type SerialDeviceInfo } from './serial-device-list.ts';

/** Why a serial device could not be opened, or is gone. */
export type SerialFailureCause =
  /** The package `serialport` is not installed. */
  | 'no-driver'
  | 'no-such-device'
  | 'permission-denied'
  /** Another program has it open. */
  | 'busy'
  | 'unplugged'
  | 'failed';

/** A serial device that cannot be used. */
export class SerialFailure extends Error {
  override readonly name = 'SerialFailure';
  readonly failure: SerialFailureCause;
  readonly path: string;
  /** What to do about it. */
  readonly nextStep: string;

  constructor(
    failure: SerialFailureCause,
    path: string,
    message: string,
    nextStep: string,
    options: { readonly cause?: unknown } = {},
  ) {
    super(message, options);
    this.failure = failure;
    this.path = path;
    this.nextStep = nextStep;
  }
}

/** A device of the package; what is used of it, so that the types of this library need no other package. */
export interface SerialDevice {
  readonly isOpen: boolean;
  /** Bytes that wait to be written. */
  readonly writableLength: number;
  open(done: (error: Error | null) => void): void;
  write(bytes: Uint8Array, done: () => void): boolean;
  drain(done: () => void): void;
  close(done: () => void): void;
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'close', listener: (error: Error | null | undefined) => void): unknown;
}

/** What is used of the package. */
export interface SerialDriver {
  readonly SerialPort: {
    new (options: { path: string; baudRate: number; autoOpen: false }): SerialDevice;
    list(): Promise<readonly ListedDevice[]>;
  };
}

/** Loads `serialport`; rejects with `SerialFailure` `no-driver` where it is not installed. */
export async function loadSerialDriver(path: string): Promise<SerialDriver> {
  try {
    return await import('serialport');
  } catch (cause) {
    throw new SerialFailure(
      'no-driver',
      path,
      `serial lines need the npm package serialport, which could not be loaded`,
      'npm install serialport@13',
      { cause },
    );
  }
}

/** The path of a device by its name in a URI: `ttyUSB0` is `/dev/ttyUSB0`, `COM3` and paths are what they are. */
export function devicePath(device: string, platform: NodeJS.Platform = process.platform): string {
  const isPath = device.includes('/') || device.includes('\\');
  return isPath || platform === 'win32' ? device : `/dev/${device}`;
}

/** Names the device that is at a path now; undefined where there is none, and on systems that do not tell. */
export async function deviceAt(path: string): Promise<string | undefined> {
  try {
    const { dev, ino, rdev } = await stat(path);
    return `${dev}:${ino}:${rdev}`;
  } catch {
    return undefined;
  }
}

/** The address of whoever is at the other end: lines have none, so it is the line itself. */
export function serialAddress(path: string): PeerAddress {
  return { key: `serial:${path}`, host: `serial:${path}`, port: 0 };
}

/**
 * The serial devices of this machine, sorted by path; none where the system tells nothing. Rejects with `SerialFailure`
 * `no-driver` where the package `serialport` is not installed.
 */
export async function serialDevices(): Promise<readonly SerialDeviceInfo[]> {
  const { SerialPort } = await loadSerialDriver('');
  return devicesOf(() => SerialPort.list());
}

/** The meaning of an error of the driver. */
export async function serialFailure(path: string, cause: Error): Promise<SerialFailure> {
  const text = cause.message;
  const fail = (failure: SerialFailureCause, message: string, nextStep: string): SerialFailure =>
    new SerialFailure(failure, path, message, nextStep, { cause });
  if (/no such file|file not found|cannot find|enoent/i.test(text)) {
    const others = (await serialDevices()).map((device) => device.path);
    const there = others.length > 0 ? `these are there: ${others.join(', ')}` : 'no serial device is there';
    return fail(
      'no-such-device',
      `there is no serial device ${path}`,
      `plug it in, or check its name; ${there}`,
    );
  }
  if (/permission|access denied|eacces/i.test(text)) {
    return fail(
      'permission-denied',
      `no permission to open ${path}`,
      'add your user to the group of the device (dialout or uucp on Linux) and log in again',
    );
  }
  if (/lock|busy|temporarily unavailable|in use/i.test(text)) {
    return fail('busy', `${path} is open in another program`, 'close that program, such as a serial monitor');
  }
  return fail('failed', `${path} cannot be used: ${text}`, 'check the device and its baud rate');
}
