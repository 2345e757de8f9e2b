/**
 * A simulated serial line with a packet connection at each end: carries datagrams between two endpoints as a network does.
 *
 * @module
 */

import type { Instant } from '../core/foundation/instant.ts';
import type { PeerAddress } from '../core/foundation/peer-address.ts';
import { LineConnection, type LineInput, type LineOptions } from '../core/serial/line-connection.ts';
import { type LineConditions, type LineEnd, SimulatedLine } from './simulated-line.ts';
import type { DatagramReceiver } from './simulated-network.ts';

/** How to set up a line. */
export interface FramedLineOptions {
  readonly seed: number;
  readonly conditions?: Partial<LineConditions>;
  /** The packet connections at both ends, or at each. */
  readonly options?: LineOptions;
  readonly a?: LineOptions;
  readonly b?: LineOptions;
}

/** A line between two addresses. */
export class FramedLine {
  readonly line: SimulatedLine;
  readonly ends: Readonly<Record<LineEnd, LineConnection>>;
  /** What came that was no packet, in order. */
  readonly events: { readonly end: LineEnd; readonly event: Exclude<LineInput, { kind: 'packet' }> }[] = [];
  /** Everything that was put on the line, for assertions about what can be read there. */
  readonly written: { readonly from: LineEnd; readonly bytes: Uint8Array; readonly at: Instant }[] = [];
  readonly #addresses: Readonly<Record<LineEnd, PeerAddress>>;
  readonly #receivers = new Map<string, DatagramReceiver>();

  constructor(a: PeerAddress, b: PeerAddress, options: FramedLineOptions) {
    const { seed, conditions = {} } = options;
    this.#addresses = { a, b };
    this.line = new SimulatedLine({ seed, conditions });
    this.ends = {
      a: new LineConnection({ ...options.options, ...options.a }),
      b: new LineConnection({ ...options.options, ...options.b }),
    };
    this.line.attach('a', (chunk, now) => this.#receive('a', chunk, now));
    this.line.attach('b', (chunk, now) => this.#receive('b', chunk, now));
  }

  /** Datagrams that arrive at an address go to `receive`. */
  attach(address: PeerAddress, receive: DatagramReceiver): void {
    this.#receivers.set(address.key, receive);
  }

  detach(address: PeerAddress): void {
    this.#receivers.delete(address.key);
  }

  /** Puts a datagram on the line as a frame; one that the connection refuses is counted there. */
  send(from: PeerAddress, _to: PeerAddress, datagram: Uint8Array, now: Instant): void {
    const end = from.key === this.#addresses.a.key ? 'a' : 'b';
    const frame = this.ends[end].send(datagram);
    if (frame !== undefined) this.write(end, frame, now);
  }

  /** Puts bytes on the line that are no frame: what a device prints, or noise. */
  write(from: LineEnd, bytes: Uint8Array, now: Instant): void {
    this.written.push({ from, bytes: bytes.slice(), at: now });
    this.line.write(from, bytes, now);
  }

  /** Pulls the plug; both connections begin anew when it is in again. */
  unplug(): void {
    this.line.unplug();
    this.ends.a.reset();
    this.ends.b.reset();
  }

  nextArrival(): Instant | undefined {
    return this.line.nextArrival();
  }

  deliverDue(now: Instant): void {
    this.line.deliverDue(now);
  }

  #receive(end: LineEnd, chunk: Uint8Array, now: Instant): void {
    const from = end === 'a' ? this.#addresses.b : this.#addresses.a;
    for (const event of this.ends[end].receive(chunk)) {
      if (event.kind !== 'packet') this.events.push({ end, event });
      else this.#receivers.get(this.#addresses[end].key)?.(event.packet, from, now);
    }
  }
}
