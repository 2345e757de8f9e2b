/**
 * A serial device as a socket of datagrams: what `udp-socket.ts` is for UDP.
 *
 * The device is opened again with back-off after it was unplugged, for as long as the port is not closed; what is sent
 * meanwhile is lost, as on any network. Framing, buffers and their counters are `core/serial/line-connection.ts`.
 *
 * @module
 */

import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { LineConnection, type LineCounters, type LineDropReason } from '../core/serial/line-connection.ts';
import type { DatagramReceiver, DatagramSocket } from './datagram-socket.ts';
import {
  deviceAt,
  loadSerialDriver,
  type SerialDevice,
  type SerialDriver,
  SerialFailure,
  type SerialFailureCause,
  serialAddress,
  serialFailure,
} from './serial-device.ts';

/** How to open a line. */
export interface SerialPortOptions {
  /** Path of the device; see `devicePath`. */
  readonly path: string;
  readonly baudRate: number;
  /** Framing, mtu and buffers; those of `new LineConnection()` by default. */
  readonly connection?: LineConnection;
  /** Whether to wait for a device that cannot be opened yet, instead of failing; told to `onFailure`. */
  readonly waits?: boolean;
  /** Called for each packet; `datagram` belongs to the callee. */
  readonly onDatagram: DatagramReceiver;
  /** A line of what the device prints. */
  readonly onText?: (text: string) => void;
  /** Something on the line was no packet. */
  readonly onLost?: (reason: LineDropReason, bytes: number) => void;
  /** The device went, or cannot be opened again yet; it is tried again. Each cause is told once in a row. */
  readonly onFailure?: (failure: SerialFailure) => void;
  /** The device is there again. */
  readonly onReopened?: () => void;
}

/** An open line. */
export interface OpenSerialPort extends DatagramSocket {
  /** The line, which is the address of the peer at its other end too. */
  readonly local: PeerAddress;
  /** Most bytes of a packet. */
  readonly mtu: number;
  /** What it carries, see `lineBytesPerSecond`. */
  readonly bytesPerSecond: number;
  /** Whether the device is open now. */
  readonly isOpen: boolean;
  readonly counters: LineCounters & { readonly dropped: number; readonly reopened: number };
  /** Puts a packet on the line. One that cannot go is counted, and lost. */
  send(datagram: Uint8Array): void;
  close(): Promise<void>;
}

/** Bytes that may wait for the line; a packet beyond that is dropped. */
const longestQueue = 65_536;
const firstReopenMs = 100;
const longestReopenMs = 500;
const bitsPerByte = 10;

/**
 * How often it is looked whether the device is still there. The package misses it when it goes just before a read begins,
 * and reads nothing from it again and again.
 */
const lookEveryMs = 500;

/** How often a device is tried that somebody else has open, and how long between, in ms. */
const busyTries = 5;
const busyRetryMs = 100;

/** How long `close` lets what was sent last go out. A line that does not move must not hold it. */
const longestDrainMs = 2_000;

/** Bytes that a line carries each second: 10 bits for each (8N1). */
export function lineBytesPerSecond(baudRate: number): number {
  return baudRate / bitsPerByte;
}

/** Opens a line; rejects with `SerialFailure`. */
export async function openSerialPort(options: SerialPortOptions): Promise<OpenSerialPort> {
  const { connection = new LineConnection(), waits = false } = options;
  const driver = await loadSerialDriver(options.path);
  const port = new SerialLinePort(options, driver, connection);
  await (waits ? port.openOrWait() : port.open());
  return port;
}

class SerialLinePort implements OpenSerialPort {
  readonly local: PeerAddress;
  readonly bytesPerSecond: number;
  readonly #options: SerialPortOptions;
  readonly #driver: SerialDriver;
  readonly #connection: LineConnection;
  #device: SerialDevice | undefined;
  /** What was at the path before the device was opened. */
  #there: string | undefined;
  #reopening: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #reopenMs = firstReopenMs;
  #closed = false;
  /** Whether it was open before it went. */
  #wasOpen = false;
  /** The failure that was told last. */
  #told: SerialFailureCause | undefined;
  /** When the system has taken what was sent last. */
  #written: Promise<void> = Promise.resolve();
  #dropped = 0;
  #reopened = 0;

  constructor(options: SerialPortOptions, driver: SerialDriver, connection: LineConnection) {
    this.#options = options;
    this.#driver = driver;
    this.#connection = connection;
    this.local = serialAddress(options.path);
    this.bytesPerSecond = lineBytesPerSecond(options.baudRate);
  }

  get mtu(): number {
    return this.#connection.mtu;
  }

  get isOpen(): boolean {
    return this.#device?.isOpen === true;
  }

  get counters(): OpenSerialPort['counters'] {
    return { ...this.#connection.counters, dropped: this.#dropped, reopened: this.#reopened };
  }

  /** Opens the device; rejects with `SerialFailure`. */
  async open(): Promise<void> {
    const { path } = this.#options;
    const there = await deviceAt(path);
    const device = await this.#openedDevice();
    // It was closed while the system opened it.
    if (this.#closed) {
      device.close(() => {});
      return;
    }
    this.#connection.reset();
    this.#device = device;
    this.#reopenMs = firstReopenMs;
    this.#told = undefined;
    device.on('data', (chunk) => this.#receive(chunk));
    // An error is followed by `close` where the device is gone; alone it concerns a single write.
    device.on('error', () => {
      this.#dropped++;
    });
    device.on('close', (error) => this.#lost(device, error ?? undefined));
    this.#there = there;
    this.#watch = setInterval(() => void this.#look(device), lookEveryMs);
  }

  /** The device, open. One that somebody else has is tried again: who is about to end may not have closed it yet. */
  async #openedDevice(): Promise<SerialDevice> {
    const { path, baudRate } = this.#options;
    for (let tries = 1; ; tries++) {
      const device = new this.#driver.SerialPort({ path, baudRate, autoOpen: false });
      const error = await new Promise<Error | null>((resolve) => device.open(resolve));
      if (error === null) return device;
      const failure = await serialFailure(path, error);
      if (failure.failure !== 'busy' || tries === busyTries || this.#closed) throw failure;
      await new Promise((resolve) => setTimeout(resolve, busyRetryMs));
    }
  }

  /** Opens the device, now or as soon as that is possible. */
  async openOrWait(): Promise<void> {
    try {
      await this.open();
    } catch (failure) {
      this.#tell(failure as SerialFailure);
      this.#reopenLater();
    }
  }

  send(datagram: Uint8Array): void {
    const device = this.#device;
    const frame = this.#connection.send(datagram);
    if (frame === undefined) return;
    if (device === undefined || !device.isOpen || device.writableLength + frame.length > longestQueue) {
      this.#dropped++;
      return;
    }
    this.#written = new Promise((resolve) => device.write(frame, () => resolve()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#reopening);
    clearInterval(this.#watch);
    const device = this.#device;
    this.#device = undefined;
    if (device?.isOpen !== true) return;
    if (await this.#isThere()) await this.#drained(device);
    if (device.isOpen) await new Promise<void>((resolve) => device.close(() => resolve()));
  }

  /** What was sent last, such as a close_notify, has gone out, or had long enough. */
  async #drained(device: SerialDevice): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, longestDrainMs);
    });
    // `drain` waits for the system's buffer, not for that of the package.
    const written = device.writableLength > 0 ? this.#written : Promise.resolve();
    const drained = written.then(() => new Promise<void>((resolve) => device.drain(() => resolve())));
    await Promise.race([drained, tooLong]);
    clearTimeout(timer);
  }

  #receive(chunk: Uint8Array): void {
    if (this.#closed) return;
    for (const event of this.#connection.receive(chunk)) {
      switch (event.kind) {
        case 'packet':
          this.#options.onDatagram(event.packet, this.local);
          break;
        case 'text':
          this.#options.onText?.(event.text);
          break;
        case 'lost':
          this.#options.onLost?.(event.reason, event.length);
          break;
      }
    }
  }

  /** As far as the system tells. */
  async #isThere(): Promise<boolean> {
    return this.#there === undefined || (await deviceAt(this.#options.path)) === this.#there;
  }

  async #look(device: SerialDevice): Promise<void> {
    if (await this.#isThere()) return;
    this.#lost(device, undefined);
    if (device.isOpen) device.close(() => {});
  }

  #lost(device: SerialDevice, cause: Error | undefined): void {
    if (this.#closed || this.#device !== device) return;
    this.#device = undefined;
    this.#wasOpen = true;
    clearInterval(this.#watch);
    const { path } = this.#options;
    const nextStep = 'plug it in again: it is opened as soon as it is there';
    this.#tell(new SerialFailure('unplugged', path, `${path} was unplugged`, nextStep, { cause }));
    this.#reopenLater();
  }

  #tell(failure: SerialFailure): void {
    if (failure.failure === this.#told) return;
    this.#told = failure.failure;
    this.#options.onFailure?.(failure);
  }

  #reopenLater(): void {
    const delay = this.#reopenMs;
    this.#reopenMs = Math.min(2 * delay, longestReopenMs);
    this.#reopening = setTimeout(() => void this.#reopen(), delay);
  }

  async #reopen(): Promise<void> {
    // To look is cheap; to try to open it, and to list what else is there, is not.
    const isKnownMissing = this.#told === 'no-such-device' && process.platform !== 'win32';
    if (isKnownMissing && (await deviceAt(this.#options.path)) === undefined) {
      if (!this.#closed) this.#reopenLater();
      return;
    }
    try {
      await this.open();
    } catch (failure) {
      if (this.#closed) return;
      this.#tell(failure as SerialFailure);
      this.#reopenLater();
      return;
    }
    if (this.#closed) return;
    if (this.#wasOpen) this.#reopened++;
    this.#options.onReopened?.();
  }
}
