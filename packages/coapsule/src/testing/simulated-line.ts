/**
 * A serial line in virtual time: two ends, a baud rate, receive buffers of a fixed size, noise, and a plug that can be
 * pulled; the same for the same seed.
 *
 * Bytes take their time one after the other: 10 bits each (8N1). The receiving system hands over what has arrived each
 * time it is read, so packets come split and merged; what finds its buffer full is gone. Like `SimulatedNetwork` it holds
 * no clock: ask `nextArrival`, move the clock there, call `deliverDue`.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import { after, type DurationMs, earliest, type Instant } from '../core/foundation/instant.ts';
import { SeededRandom } from './seeded-random.ts';

/** How a line treats its bytes. Rates are probabilities of 0 … 1. */
export interface LineConditions {
  readonly baudRate: number;
  /** The receiver's system reads what has arrived every so often. */
  readonly readEveryMs: DurationMs;
  /** Bytes that its system keeps until they are read; more are lost. */
  readonly systemBufferBytes: number;
  /** A byte has one flipped bit. */
  readonly noiseRate: number;
  /** A byte vanishes. */
  readonly dropRate: number;
}

/** 115,200 baud without a fault, read as a USB adapter delivers: every millisecond. */
const perfectLine: LineConditions = Object.freeze({
  baudRate: 115_200,
  readEveryMs: 1,
  systemBufferBytes: 4096,
  noiseRate: 0,
  dropRate: 0,
});

/** The two ends of a line. */
export type LineEnd = 'a' | 'b';

/** Called with what a read brought; the bytes are its own. */
export type ChunkReceiver = (chunk: Uint8Array, now: Instant) => void;

const bitsPerByte = 10;

/** See the module comment. */
export class SimulatedLine {
  readonly #conditions: LineConditions;
  readonly #directions: Readonly<Record<LineEnd, LineDirection>>;
  #plugged = true;

  /** @throws ApiMisuseError for a condition that no line has. */
  constructor(options: { readonly seed: number; readonly conditions?: Partial<LineConditions> }) {
    this.#conditions = checkedConditions({ ...perfectLine, ...options.conditions });
    const direction = (seed: number): LineDirection =>
      new LineDirection(this.#conditions, new SeededRandom(seed));
    this.#directions = { a: direction(options.seed), b: direction(~options.seed) };
  }

  /** What `end` reads goes to `receive`. */
  attach(end: LineEnd, receive: ChunkReceiver): void {
    this.#directions[other(end)].receive = receive;
  }

  /** Puts bytes on the line at an end, behind those that still wait there. Unplugged, they go nowhere. */
  write(from: LineEnd, bytes: Uint8Array, now: Instant): void {
    if (this.#plugged) this.#directions[from].write(bytes, now);
  }

  /** Bytes written at an end that have not left it yet. */
  queued(from: LineEnd, now: Instant): number {
    return this.#directions[from].queued(now);
  }

  /** When an end has sent all that was written there; now, when nothing waits. */
  idleAt(from: LineEnd, now: Instant): Instant {
    return this.#directions[from].idleAt(now);
  }

  /** How long a number of bytes takes, in milliseconds. */
  wireTimeMs(bytes: number): DurationMs {
    return wireTimeMs(bytes, this.#conditions.baudRate);
  }

  /** Bytes that found the system's buffer full, noise and drops apart. */
  get overruns(): number {
    return this.#directions.a.overruns + this.#directions.b.overruns;
  }

  get isPlugged(): boolean {
    return this.#plugged;
  }

  /** What travels is gone, and what is written from now on too. */
  unplug(): void {
    this.#plugged = false;
    this.#directions.a.clear();
    this.#directions.b.clear();
  }

  plug(): void {
    this.#plugged = true;
  }

  /** When the next read is, or `undefined` when nothing travels. */
  nextArrival(): Instant | undefined {
    return earliest(this.#directions.a.nextRead(), this.#directions.b.nextRead());
  }

  /** Hands over what was read by `now`. */
  deliverDue(now: Instant): void {
    for (;;) {
      const [a, b] = [this.#directions.a.nextRead(), this.#directions.b.nextRead()];
      const next = earliest(a, b);
      if (next === undefined || next > now) return;
      (next === a ? this.#directions.a : this.#directions.b).read(next, now);
    }
  }
}

/** How long bytes take on a line, in milliseconds. */
export function wireTimeMs(bytes: number, baudRate: number): DurationMs {
  return (bytes * bitsPerByte * 1000) / baudRate;
}

/** Bytes on their way, which follow each other without a gap. */
interface Travelling {
  readonly bytes: Uint8Array;
  /** When the first one begins to be sent. */
  readonly start: Instant;
  /** How many of them were read. */
  taken: number;
}

class LineDirection {
  receive: ChunkReceiver = () => {};
  overruns = 0;
  readonly #conditions: LineConditions;
  readonly #random: SeededRandom;
  #travelling: Travelling[] = [];
  #idleAt: Instant | undefined;

  constructor(conditions: LineConditions, random: SeededRandom) {
    this.#conditions = conditions;
    this.#random = random;
  }

  write(bytes: Uint8Array, now: Instant): void {
    if (bytes.length === 0) return;
    const start = this.idleAt(now);
    this.#travelling.push({ bytes: bytes.slice(), start, taken: 0 });
    this.#idleAt = after(start, wireTimeMs(bytes.length, this.#conditions.baudRate));
  }

  idleAt(now: Instant): Instant {
    return this.#idleAt !== undefined && this.#idleAt > now ? this.#idleAt : now;
  }

  queued(now: Instant): number {
    return Math.ceil((this.idleAt(now) - now) / wireTimeMs(1, this.#conditions.baudRate));
  }

  clear(): void {
    this.#travelling = [];
    this.#idleAt = undefined;
  }

  /** The first read behind the arrival of the next byte. */
  nextRead(): Instant | undefined {
    const [first] = this.#travelling;
    if (first === undefined) return undefined;
    const { readEveryMs } = this.#conditions;
    const arrival = after(first.start, wireTimeMs(first.taken + 1, this.#conditions.baudRate));
    return (Math.ceil(arrival / readEveryMs) * readEveryMs) as Instant;
  }

  /** Reads all that had arrived at the time of a read. */
  read(at: Instant, now: Instant): void {
    const read: number[] = [];
    const perByteMs = wireTimeMs(1, this.#conditions.baudRate);
    for (;;) {
      const [first] = this.#travelling;
      if (first === undefined) break;
      const arrived = Math.min(first.bytes.length, Math.floor((at - first.start) / perByteMs + 1e-6));
      if (arrived <= first.taken) break;
      for (const byte of first.bytes.subarray(first.taken, arrived)) this.#take(byte, read);
      first.taken = arrived;
      if (arrived < first.bytes.length) break;
      this.#travelling.shift();
    }
    if (read.length > 0) this.receive(Uint8Array.from(read), now);
  }

  #take(byte: number, read: number[]): void {
    const { noiseRate, dropRate, systemBufferBytes } = this.#conditions;
    // Drawn for every byte, so that the fate of one does not shift the luck of the next.
    const [noise, bit, drop] = [this.#random.fraction(), this.#random.integer(8), this.#random.fraction()];
    if (drop < dropRate) return;
    if (read.length >= systemBufferBytes) this.overruns++;
    else read.push(noise < noiseRate ? byte ^ (1 << bit) : byte);
  }
}

function other(end: LineEnd): LineEnd {
  return end === 'a' ? 'b' : 'a';
}

function checkedConditions(conditions: LineConditions): LineConditions {
  const { baudRate, readEveryMs, systemBufferBytes, noiseRate, dropRate } = conditions;
  const positive = { baudRate, readEveryMs, systemBufferBytes };
  for (const [name, value] of Object.entries(positive)) {
    if (!(value > 0)) throw new ApiMisuseError(`${name} is ${value}; expected more than 0`);
  }
  for (const [name, value] of Object.entries({ noiseRate, dropRate })) {
    if (!(value >= 0 && value <= 1)) throw new ApiMisuseError(`${name} is ${value}; expected 0 to 1`);
  }
  return Object.freeze(conditions);
}
