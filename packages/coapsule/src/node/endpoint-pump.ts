/**
 * What every driver has in the middle: `poll` until there is nothing more, and one timer for `nextTimeout`.
 *
 * @module
 */

import type { Instant } from '../core/foundation/instant.ts';
import { type Clock, longestTimerMs } from './monotonic-clock.ts';

/** What a pump needs of an endpoint. */
interface PumpedEndpoint<Output> {
  handleTimeout(now: Instant): void;
  poll(): Output | undefined;
  nextTimeout(): Instant | undefined;
}

/** How to make a pump. */
export interface EndpointPumpOptions<Endpoint, Output> {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly carryOut: (output: Output) => void;
  /** Called before work that has waited for its turn: what was answered in this one goes before that. */
  readonly beforeWork?: () => void;
  /** The endpoint threw, which it never should, or carrying out did. */
  readonly onDefect: (error: unknown) => void;
}

/** Runs one endpoint until it is stopped. */
export class EndpointPump<Endpoint extends PumpedEndpoint<Output>, Output> {
  readonly #options: EndpointPumpOptions<Endpoint, Output>;
  #timer: NodeJS.Timeout | undefined;
  #timerAt: Instant | undefined;
  #asking: NodeJS.Immediate | undefined;
  #draining = false;
  #stopped = false;

  constructor(options: EndpointPumpOptions<Endpoint, Output>) {
    this.#options = options;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Carries out nothing more, and lets no timer run. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#asking);
  }

  /** Gives the endpoint a command, and carries out what follows from it. */
  run<Result>(command: (endpoint: Endpoint, now: Instant) => Result): Result {
    const { endpoint, clock } = this.#options;
    const result = command(endpoint, clock.now());
    this.#drain();
    return result;
  }

  /**
   * Gives the endpoint what came from outside. Nothing a peer sends makes it throw. Should a defect of ours break that
   * promise, this one input is lost and everybody else is served on: one peer must never end the process.
   */
  guarded(input: (endpoint: Endpoint, now: Instant) => void): void {
    this.guardedWith(input, undefined);
  }

  /** The same with an argument, so that what comes often needs no function of its own each time. */
  guardedWith<Argument>(
    input: (endpoint: Endpoint, now: Instant, argument: Argument) => void,
    argument: Argument,
  ): void {
    if (this.#stopped) return;
    const { endpoint, clock, onDefect } = this.#options;
    try {
      input(endpoint, clock.now(), argument);
    } catch (error) {
      onDefect(error);
    }
    this.#drain();
  }

  #drain(): void {
    // An output's handler may call `run`: then the loop that is running goes on with what that brought.
    if (this.#draining || this.#stopped) return;
    const { endpoint, carryOut, onDefect } = this.#options;
    this.#draining = true;
    try {
      for (;;) {
        const output = endpoint.poll();
        if (output === undefined) break;
        try {
          carryOut(output);
        } catch (error) {
          // A callback of the application threw: the outputs behind this one are for others.
          onDefect(error);
        }
      }
    } finally {
      this.#draining = false;
      // Once for all that one turn of the event loop brings: asking costs more than a datagram that changes nothing.
      if (!this.#stopped) this.#asking ??= setImmediate(() => this.#setTimer());
    }
  }

  #setTimer(): void {
    this.#asking = undefined;
    if (this.#stopped) return;
    const { endpoint, clock } = this.#options;
    const next = endpoint.nextTimeout();
    if (next === undefined) return;
    // A timer that fires too early does no harm and is cheaper than setting one anew for each datagram.
    if (this.#timerAt !== undefined && this.#timerAt <= next) return;
    if (next <= clock.now()) {
      // Work that waits for its turn (`core/dtls/handshake-turns.ts`): the socket has had its own in this run of the loop. The
      // timer that is set stays: such work comes in many turns, and a timer set anew in each costs more than one that is early.
      this.#options.beforeWork?.();
      this.guarded(runDue);
      return;
    }
    clearTimeout(this.#timer);
    this.#timerAt = next;
    const delay = Math.min(longestTimerMs, Math.max(1, Math.ceil(next - clock.now())));
    this.#timer = setTimeout(() => this.#timeIsUp(), delay);
  }

  #timeIsUp(): void {
    this.#timerAt = undefined;
    this.guarded(runDue);
  }
}

function runDue(endpoint: PumpedEndpoint<unknown>, now: Instant): void {
  endpoint.handleTimeout(now);
}
