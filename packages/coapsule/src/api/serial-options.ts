/**
 * What clients and servers can be told about serial lines, and what they tell of them.
 *
 * | name | unit | default | allowed |
 * |---|---|---|---|
 * | defaultLine | device, and its baud rate | none | for URIs that name no line, `coap+uart:///a` |
 * | framing | | slipmux | slipmux; slip, for peers without it; raw, only for talking to the Go original |
 * | mtu | bytes of a packet | 1024 | 128 … 65535, and it fits the buffers |
 * | bufferBytes | bytes of our read buffer | 2048 | what the framing needs for the mtu, or more |
 * | peerBuffer | bytes of the peer's, and what it holds | as ours | `core/serial/line-connection.ts` |
 * | whenMissing | | fail | or wait: a device that cannot be opened yet is opened as soon as it can be |
 *
 * @module
 */

import type { LineCounters, LineDropReason, PeerBuffer } from '../core/serial/line-connection.ts';
import type { LineFramingName } from '../core/serial/line-framing.ts';
import type { SerialFailure } from '../node/serial-device.ts';
import type { OptionNames } from './known-options.ts';

/** See the table in the module comment. */
export interface SerialOptions {
  /** The line of URIs that name none, such as `coap+uart:///a`. */
  readonly defaultLine?: { readonly device: string; readonly baudRate?: number };
  /**
   * How packets are put on the line: `slipmux` (default), or `slip` for peers that have no slipmux. `raw`, one read is one
   * packet, loses packets whenever the system splits or merges reads; it is only for talking to the Go original.
   */
  readonly framing?: LineFramingName;
  /** Most bytes of a packet; 1024 by default. It has to fit the buffers. */
  readonly mtu?: number;
  /** Bytes of our read buffer, which holds frames unescaped; 2048 by default. */
  readonly bufferBytes?: number;
  /** The buffer at the other end, where it is known: packets are made so short that each fits. */
  readonly peerBuffer?: PeerBuffer;
  /** `wait`: a device that cannot be opened yet is opened as soon as it can be; by default that fails. */
  readonly whenMissing?: 'fail' | 'wait';
  /** Gets what the device prints, what was lost on the line, and that it was unplugged or is there again. */
  readonly onEvent?: (event: SerialEvent) => void;
}

/** The names of `SerialOptions`. */
export const serialOptionNames: OptionNames<Required<SerialOptions>> = {
  defaultLine: true,
  framing: true,
  mtu: true,
  bufferBytes: true,
  peerBuffer: true,
  whenMissing: true,
  onEvent: true,
};

/** What happens on a line besides packets; `line` is its URI, `coap+serial://ttyUSB0:115200`. */
export type SerialEvent = { readonly line: string } & (
  | { readonly kind: 'text' /** One line of what the device prints. */; readonly text: string }
  | {
      readonly kind: 'lost';
      readonly reason: LineDropReason;
      readonly bytes: number;
      /** What that most likely means, where something can be done about it. */
      readonly advice: string | undefined;
    }
  | { readonly kind: 'failure' /** It is tried again. */; readonly failure: SerialFailure }
  | { readonly kind: 'reopened' }
);

/** A line that is in use. */
export interface SerialLineStatus {
  /** Without a resource, `coaps+serial://ttyUSB0:115200`. */
  readonly uri: string;
  /** Path of the device. */
  readonly path: string;
  readonly baudRate: number;
  /** Whether the device is there and open. */
  readonly isOpen: boolean;
  /** Most bytes of a packet. */
  readonly mtu: number;
  readonly bufferBytes: number;
  readonly counters: LineCounters & {
    /** Packets that were not sent: the device was not there, or too much was waiting for it. */
    readonly dropped: number;
    /** How often it was there again after it had been unplugged. */
    readonly reopened: number;
  };
  /** What the counters mean, for people, where something is wrong with the line. */
  readonly diagnosis: string | undefined;
}
