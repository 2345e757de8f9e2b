/**
 * How gently a probe goes about it: a rate, a number of datagrams, an end; and how long it listens.
 *
 * @module
 */

/** What bounds a probe. */
export interface ProbeLimits {
  /** Datagrams a second, and connections; above 0. */
  readonly rate: number;
  readonly maxDatagrams: number;
  /** From the start, in milliseconds. */
  readonly maxMs: number;
  /** Longest wait for an answer in milliseconds; until one came, each wait is as long. */
  readonly waitMs: number;
}

/** Once the round trip is known, listening takes this many of them… */
const roundTrips = 10;
/** …and no less than this. */
const leastListeningMs = 250;
/** Until a handshake flight or a message comes again (RFC 6347 §4.2.4.1: 1 s). */
const repetitionMs = 1500;

/** See the module comment. Times are of `performance.now()`. */
export class ProbePace {
  readonly #limits: ProbeLimits;
  readonly #now: () => number;
  readonly #startMs: number;
  #nextMs = 0;
  #sent = 0;
  #roundTripMs: number | undefined;
  #isStopped = false;

  constructor(limits: ProbeLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#startMs = now();
  }

  /** Datagrams and connections so far. */
  get sent(): number {
    return this.#sent;
  }

  get elapsedMs(): number {
    return this.#now() - this.#startMs;
  }

  /** Nothing is sent any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Waits for the turn of the next datagram; why there is none any more otherwise. */
  async turn(): Promise<string | undefined> {
    const { maxDatagrams, maxMs, rate } = this.#limits;
    if (this.#isStopped) return 'not tried: interrupted';
    if (this.#sent >= maxDatagrams)
      return `not tried: the ${maxDatagrams} datagrams of --max-datagrams are used up`;
    const waitMs = this.#nextMs - this.#now();
    if (this.elapsedMs + Math.max(0, waitMs) >= maxMs) return 'not tried: the time of --timeout is over';
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    this.#nextMs = this.#now() + 1000 / rate;
    this.#sent++;
    return undefined;
  }

  /** An answer took so long. */
  answered(afterMs: number): void {
    // As slow as the slowest at once, and faster little by little.
    const known = this.#roundTripMs ?? 0;
    this.#roundTripMs = Math.max(afterMs, known + (afterMs - known) / 4);
  }

  /** For an answer that has to come. */
  get answerMs(): number {
    return this.#limits.waitMs;
  }

  /** For what may not come at all. */
  get listeningMs(): number {
    const { waitMs } = this.#limits;
    if (this.#roundTripMs === undefined) return waitMs;
    return Math.min(waitMs, Math.max(leastListeningMs, roundTrips * this.#roundTripMs));
  }

  /** Long enough for a repetition. */
  get longListeningMs(): number {
    return Math.max(this.listeningMs, Math.min(repetitionMs, 2 * this.#limits.waitMs));
  }
}
