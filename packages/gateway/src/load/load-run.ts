/**
 * A load: clients that ask again as soon as they are answered (closed loop), or as many requests a second as were asked for,
 * whoever is free (open loop).
 *
 * In the open loop the latency of a request counts from the time it was due, also when no client was free by then: a server
 * that stalls is charged with all that it kept waiting. Confirmable requests are repeated as RFC 7252 §4.2 says, with
 * ACK_TIMEOUT and without its random factor.
 *
 * @module
 */

import { LatencyHistogram } from './latency-histogram.ts';
import type { LoadClient, LoadEvents, OpenLoadClient } from './load-client.ts';

/** What is to be done. */
export interface LoadPlan {
  readonly clients: number;
  readonly seconds: number;
  /** Before anything counts: code is compiled, caches fill. */
  readonly warmUpSeconds: number;
  /** Requests a second in all; without it the loop is closed. */
  readonly rate: number | undefined;
  /** After it a request without an answer is lost. */
  readonly timeoutMs: number;
  /** Confirmable requests are repeated after this time, and then after twice, four times … as long. */
  readonly repeatAfterMs: number | undefined;
  /** How many clients are made at the same time, handshakes and all. */
  readonly openAtOnce: number;
}

/** What was measured. */
export interface LoadResult {
  /** Of responses, from the sending of their requests on, or from when these were due. */
  readonly latencies: LatencyHistogram;
  /** How many responses had each code. */
  readonly codes: ReadonlyMap<number, number>;
  /** Why requests got none. */
  readonly failures: ReadonlyMap<string, number>;
  readonly repeated: number;
  /** Requests of the open loop that were due and not sent when the time was over. */
  readonly unsent: number;
  /** Measured, without warming up. */
  readonly seconds: number;
  /** Until all clients were there. */
  readonly openingSeconds: number;
  readonly handshakes: LatencyHistogram;
  /** CPU time of this process while it was measured, in µs. */
  readonly cpuMicroseconds: number;
}

/** How often it is looked for requests that are overdue. */
const sweepMs = 50;

/** A client and its request under way. */
class Slot implements LoadEvents {
  client: LoadClient | undefined;
  isBusy = false;
  /** When the request was sent first, or was due. */
  since = 0;
  sentAt = 0;
  repeatAt = 0;
  waitMs = 0;
  readonly #run: LoadRun;

  constructor(run: LoadRun) {
    this.#run = run;
  }

  answered(code: number): void {
    if (!this.isBusy) return;
    this.isBusy = false;
    this.#run.answered(this, code);
  }

  acknowledged(): void {
    this.repeatAt = Infinity;
  }

  failed(reason: string): void {
    if (!this.isBusy) return;
    this.isBusy = false;
    this.#run.failed(this, reason);
  }
}

/** See the module comment. */
export class LoadRun {
  readonly #plan: LoadPlan;
  readonly #open: OpenLoadClient;
  readonly #slots: Slot[] = [];
  readonly #idle: Slot[] = [];
  /** When requests were due that nobody was free for; the first `#backlogStart` are gone. */
  readonly #backlog: number[] = [];
  #backlogStart = 0;
  #isRunning = false;
  #latencies = new LatencyHistogram();
  #codes = new Map<number, number>();
  #failures = new Map<string, number>();
  #repeated = 0;
  readonly #handshakes = new LatencyHistogram();

  constructor(plan: LoadPlan, open: OpenLoadClient) {
    this.#plan = plan;
    this.#open = open;
  }

  /**
   * Makes the clients, warms up, measures, and closes the clients.
   *
   * @param signal Ends it early; what was measured until then is the result.
   * @throws what a client that cannot be made rejects with.
   */
  async run(signal: AbortSignal, onReady: () => void = () => {}): Promise<LoadResult> {
    const { seconds, warmUpSeconds } = this.#plan;
    try {
      const opening = performance.now();
      await this.#openAll(signal);
      const openingSeconds = (performance.now() - opening) / 1000;
      onReady();
      this.#isRunning = true;
      const sweeping = setInterval(() => this.#sweep(), sweepMs);
      const pacing = this.#plan.rate === undefined ? this.#startAll() : this.#pace(this.#plan.rate);
      await pause(warmUpSeconds * 1000, signal);
      this.#latencies = new LatencyHistogram();
      this.#codes = new Map();
      this.#failures = new Map();
      this.#repeated = 0;
      const begin = performance.now();
      const cpu = process.cpuUsage();
      await pause(seconds * 1000, signal);
      const elapsed = (performance.now() - begin) / 1000;
      const { user, system } = process.cpuUsage(cpu);
      this.#isRunning = false;
      clearInterval(sweeping);
      await pacing;
      return {
        latencies: this.#latencies,
        codes: this.#codes,
        failures: this.#failures,
        repeated: this.#repeated,
        unsent: this.#backlog.length - this.#backlogStart,
        seconds: elapsed,
        openingSeconds,
        handshakes: this.#handshakes,
        cpuMicroseconds: user + system,
      };
    } finally {
      this.#isRunning = false;
      await Promise.all(this.#slots.map(({ client }) => client?.close()));
    }
  }

  /** For slots. */
  answered(slot: Slot, code: number): void {
    this.#latencies.record(performance.now() - slot.since);
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
    this.#free(slot);
  }

  /** For slots. */
  failed(slot: Slot, reason: string): void {
    this.#count(reason);
    // Not at once: a server that is not there would be asked as fast as the system can refuse.
    setTimeout(() => this.#free(slot), sweepMs);
  }

  /** When one cannot be made the others are waited for, so that they can be closed; no more are begun. */
  async #openAll(signal: AbortSignal): Promise<void> {
    let hasFailed = false;
    const opener = async (): Promise<void> => {
      while (this.#slots.length < this.#plan.clients && !signal.aborted && !hasFailed) {
        const slot = new Slot(this);
        this.#slots.push(slot);
        try {
          await this.#openClient(slot);
        } catch (error) {
          hasFailed = true;
          throw error;
        }
      }
    };
    const openers = await Promise.allSettled(Array.from({ length: this.#plan.openAtOnce }, opener));
    for (const opened of openers) if (opened.status === 'rejected') throw opened.reason;
  }

  async #openClient(slot: Slot): Promise<LoadClient> {
    const client = await this.#open(slot);
    slot.client = client;
    if (client.handshakeMs !== undefined) this.#handshakes.record(client.handshakeMs);
    return client;
  }

  #startAll(): void {
    for (const slot of this.#slots) this.#start(slot, performance.now());
  }

  #start(slot: Slot, due: number): void {
    slot.isBusy = true;
    slot.since = due;
    slot.sentAt = performance.now();
    slot.waitMs = this.#plan.repeatAfterMs ?? Infinity;
    slot.repeatAt = slot.sentAt + slot.waitMs;
    slot.client?.request();
  }

  /** A client has nothing to do. */
  #free(slot: Slot): void {
    if (!this.#isRunning) return;
    if (slot.client?.isUsedUp !== false) {
      void this.#replace(slot);
      return;
    }
    if (this.#plan.rate === undefined) this.#start(slot, performance.now());
    else if (this.#backlogStart < this.#backlog.length)
      this.#start(slot, this.#backlog[this.#backlogStart++] as number);
    else this.#idle.push(slot);
  }

  /** Its Message IDs are used up, or its association is over. */
  async #replace(slot: Slot): Promise<void> {
    const before = slot.client;
    slot.client = undefined;
    let client: LoadClient;
    try {
      await before?.close();
      client = await this.#openClient(slot);
    } catch (error) {
      this.failed(slot, (error as NodeJS.ErrnoException).code ?? 'client');
      return;
    }
    if (this.#isRunning) this.#free(slot);
    // The others are closed by now.
    else await client.close();
  }

  /** Sends what is due, looking at the clock in each turn of the loop: a timer is too coarse for it. */
  async #pace(rate: number): Promise<void> {
    this.#idle.push(...this.#slots);
    const begin = performance.now();
    for (let sent = 0; this.#isRunning; ) {
      const due = ((performance.now() - begin) * rate) / 1000;
      for (; sent < due; sent++) {
        const time = begin + (sent / rate) * 1000;
        const slot = this.#idle.pop();
        if (slot === undefined) this.#backlog.push(time);
        else this.#start(slot, time);
      }
      if (this.#backlogStart > 100_000) {
        this.#backlog.splice(0, this.#backlogStart);
        this.#backlogStart = 0;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #sweep(): void {
    const time = performance.now();
    for (const slot of this.#slots) {
      if (!slot.isBusy) continue;
      if (time - slot.sentAt > this.#plan.timeoutMs) slot.failed('no answer');
      else if (time >= slot.repeatAt) {
        slot.waitMs *= 2;
        slot.repeatAt = time + slot.waitMs;
        this.#repeated++;
        slot.client?.repeat();
      }
    }
  }

  #count(reason: string): void {
    this.#failures.set(reason, (this.#failures.get(reason) ?? 0) + 1);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || ms <= 0) {
      resolve();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
