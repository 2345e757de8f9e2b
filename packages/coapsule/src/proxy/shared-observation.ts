/**
 * One observation of the next hop for all observers of the same resource here.
 *
 * RFC 7641 §5: an intermediary registers only once and fans out; the latest state counts.
 *
 * @module
 */

import type { CoapsuleError } from '../api/errors.ts';
import type { Observation } from '../api/observation.ts';
import type { Response } from '../api/response.ts';
import type { ServerResponse } from '../api/server-response.ts';
import type { Instant } from '../core/foundation/instant.ts';
import type { Content } from '../core/request-response/exchange.ts';

/** What an observed resource is like, as far as the proxy knows. */
export type ObservedState =
  | {
      readonly kind: 'content';
      /** As it can be passed on. */
      readonly content: Content;
      readonly since: Instant;
    }
  /** There was no response that can be passed on. */
  | { readonly kind: 'failure'; readonly response: ServerResponse };

/** What the observation needs of its proxy. */
export interface ObservationActions {
  /** Makes a state of a response of the next hop. */
  readonly stateOf: (response: Response) => ObservedState;
  /** Makes a state of what ended the observation. */
  readonly failed: (error: CoapsuleError | 'timeout' | 'ended') => ObservedState;
  /** It is over, from either side. */
  readonly ended: () => void;
}

/** See the module comment. */
export class SharedObservation {
  readonly #observation: Observation;
  readonly #actions: ObservationActions;
  /** What tells each observer that there is a new state, by the signal of its end. */
  readonly #observers = new Map<AbortSignal, () => void>();
  readonly #first: Promise<void>;
  #answerFirst: () => void = () => {};
  #state: ObservedState | undefined;
  #over = false;
  #hasFirst = false;
  readonly #patience: ReturnType<typeof setTimeout>;

  /** @param timeoutMs How long the first response may take, a handshake before it included. */
  constructor(observation: Observation, timeoutMs: number, actions: ObservationActions) {
    this.#observation = observation;
    this.#actions = actions;
    this.#first = new Promise((resolve) => {
      this.#answerFirst = resolve;
    });
    this.#patience = setTimeout(() => {
      this.#over = true;
      this.#renew(actions.failed('timeout'));
      void observation.cancel();
    }, timeoutMs);
    void this.#follow();
  }

  /** Whether the next hop sends no more notifications. */
  get over(): boolean {
    return this.#over;
  }

  /** Number of observers here. */
  get size(): number {
    return this.#observers.size;
  }

  /** The latest state; waits for the first one. */
  async state(): Promise<ObservedState> {
    await this.#first;
    return this.#state as ObservedState;
  }

  /** Adds an observer until `ended` fires. */
  add(ended: AbortSignal, changed: () => void): void {
    if (ended.aborted) {
      if (this.#observers.size === 0) this.#end();
      return;
    }
    this.#observers.set(ended, changed);
    const remove = (): void => {
      this.#observers.delete(ended);
      if (this.#observers.size === 0) this.#end();
    };
    ended.addEventListener('abort', remove, { once: true });
  }

  /** Nobody is interested any more, or the proxy closes. */
  cancel(): void {
    this.#end();
  }

  async #follow(): Promise<void> {
    try {
      for await (const response of this.#observation) {
        // Without Observe it is an ordinary response, the last one (RFC 7641 §3.2, §4.2).
        if (response.observe === undefined || !response.ok) this.#over = true;
        this.#renew(this.#actions.stateOf(response));
      }
    } catch (error) {
      this.#over = true;
      this.#renew(this.#actions.failed(error as CoapsuleError));
    }
    // It was ended here before anything came: nobody is there to be answered.
    if (!this.#hasFirst) this.#renew(this.#actions.failed('ended'));
    this.#over = true;
    this.#actions.ended();
  }

  #renew(state: ObservedState): void {
    this.#state = state;
    clearTimeout(this.#patience);
    const isFirst = !this.#hasFirst;
    this.#hasFirst = true;
    if (this.#over) this.#actions.ended();
    // Those who registered before wait for it.
    if (isFirst) this.#answerFirst();
    else for (const changed of this.#observers.values()) changed();
  }

  #end(): void {
    this.#over = true;
    this.#actions.ended();
    void this.#observation.cancel();
  }
}
