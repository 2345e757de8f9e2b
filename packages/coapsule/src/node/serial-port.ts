/**
 * A serial device as a socket of datagrams: what `udp-socket.ts` is for UDP.
 *
 * The device is opened again with back-off after it was unplugged, for as long as the port is not closed; what is sent
 * meanwhile is lost, as on any network. Framing, buffers and their counters are `core/serial/line-connection.ts`.
 *
 * @module
 */

import type { PeerAddress } from '../core/foundation/peer-address.ts';
import {
  LineConnection,
  type LineCounters,
  type LineDropReason,
  type LineOptions,
} from '../core/serial/line-connection.ts';
import {
  loadSerialDriver,
  type SerialDevice,
  type SerialDriver,
  SerialFailure,
  serialAddress,
  serialFailure,
} from './serial-device.ts';

/** How to open a line. */
export interface SerialPortOptions {
  /** Path of the device; see `devicePath`. */
  readonly path: string;
  readonly baudRate: number;
  readonly line?: LineOptions;
  /** Called for each packet; `datagram` belongs to the callee. */
  readonly onDatagram: (datagram: Uint8Array, from: PeerAddress) => void;
  /** A line of what the device prints. */
  readonly onText?: (text: string) => void;
  /** Something on the line was no packet. */
  readonly onLost?: (reason: LineDropReason, bytes: number) => void;
  /** The device went, or could not be opened again yet; it is tried again. */
  readonly onFailure?: (failure: SerialFailure) => void;
  /** The device is there again. */
  readonly onReopened?: () => void;
}

/** An open line. */
export interface OpenSerialPort {
  /** The line, which is the address of the peer at its other end too. */
  readonly local: PeerAddress;
  /** Most bytes of a packet. */
  readonly mtu: number;
  /** Bytes it carries each second: 10 bits for each (8N1). */
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
const longestReopenMs = 2_000;
const bitsPerByte = 10;

/** Opens a line; rejects with `SerialFailure`. */
export async function openSerialPort(options: SerialPortOptions): Promise<OpenSerialPort> {
  const connection = new LineConnection(options.line);
  const driver = await loadSerialDriver(options.path);
  const port = new SerialLinePort(options, driver, connection);
  await port.open();
  return port;
}

class SerialLinePort implements OpenSerialPort {
  readonly local: PeerAddress;
  readonly bytesPerSecond: number;
  readonly #options: SerialPortOptions;
  readonly #driver: SerialDriver;
  readonly #connection: LineConnection;
  #device: SerialDevice | undefined;
  #reopening: NodeJS.Timeout | undefined;
  #reopenMs = firstReopenMs;
  #closed = false;
  #dropped = 0;
  #reopened = 0;

  constructor(options: SerialPortOptions, driver: SerialDriver, connection: LineConnection) {
    this.#options = options;
    this.#driver = driver;
    this.#connection = connection;
    this.local = serialAddress(options.path);
    this.bytesPerSecond = options.baudRate / bitsPerByte;
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
    const { path, baudRate } = this.#options;
    const device = new this.#driver.SerialPort({ path, baudRate, autoOpen: false });
    await new Promise<void>((resolve, reject) => {
      device.open((error) => {
        if (error === null) resolve();
        else serialFailure(path, error).then(reject, reject);
      });
    });
    // It was closed while the system opened it.
    if (this.#closed) {
      device.close(() => {});
      return;
    }
    this.#connection.reset();
    this.#device = device;
    this.#reopenMs = firstReopenMs;
    device.on('data', (chunk) => this.#receive(chunk));
    // An error is followed by `close` where the device is gone; alone it concerns a single write.
    device.on('error', () => {
      this.#dropped++;
    });
    device.on('close', (error) => this.#lost(device, error ?? undefined));
  }

  send(datagram: Uint8Array): void {
    const device = this.#device;
    const frame = this.#connection.send(datagram);
    if (frame === undefined) return;
    if (device === undefined || !device.isOpen || device.writableLength + frame.length > longestQueue) {
      this.#dropped++;
      return;
    }
    device.write(frame);
  }

  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#reopening);
    const device = this.#device;
    this.#device = undefined;
    if (device === undefined || !device.isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      // What was sent last, such as a close_notify, still goes out.
      device.drain(() => device.close(() => resolve()));
    });
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

  #lost(device: SerialDevice, cause: Error | undefined): void {
    if (this.#closed || this.#device !== device) return;
    this.#device = undefined;
    const { path } = this.#options;
    const nextStep = 'plug it in again: it is opened as soon as it is there';
    this.#options.onFailure?.(
      new SerialFailure('unplugged', path, `${path} was unplugged`, nextStep, { cause }),
    );
    this.#reopenLater();
  }

  #reopenLater(): void {
    const delay = this.#reopenMs;
    this.#reopenMs = Math.min(2 * delay, longestReopenMs);
    this.#reopening = setTimeout(() => void this.#reopen(), delay);
  }

  async #reopen(): Promise<void> {
    try {
      await this.open();
    } catch (failure) {
      if (this.#closed) return;
      this.#options.onFailure?.(failure as SerialFailure);
      this.#reopenLater();
      return;
    }
    if (this.#closed) return;
    this.#reopened++;
    this.#options.onReopened?.();
  }
}
