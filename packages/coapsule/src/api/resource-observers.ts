/**
 * The observers of a listener whose handlers want to know when they end, or to tell them apart.
 *
 * @module
 */

import type { ExchangeId } from '../core/request-response/request-response-layer.ts';
import type { ResourceObserver } from './request.ts';

/** A request of an observer. */
interface ObservedRequest {
  readonly exchange: ExchangeId;
  /** Nobody waits for the answer any more. */
  readonly isAbandoned: boolean;
}

/** See the module comment. */
export class ResourceObservers {
  readonly #ends = new Map<ExchangeId, AbortController>();
  readonly #notify: (exchange: ExchangeId) => void;
  #closed = false;

  /** @param notify Asks for the state of one observer's resource again. */
  constructor(notify: (exchange: ExchangeId) => void) {
    this.#notify = notify;
  }

  /** What a handler sees of the observer that its answer is for. */
  of(running: ObservedRequest): ResourceObserver {
    const { exchange } = running;
    const endOf = (): AbortSignal => {
      if (running.isAbandoned || this.#closed) return AbortSignal.abort();
      const known = this.#ends.get(exchange) ?? new AbortController();
      this.#ends.set(exchange, known);
      return known.signal;
    };
    return {
      changed: () => {
        if (!this.#closed) this.#notify(exchange);
      },
      get ended() {
        return endOf();
      },
    };
  }

  /** The exchange is over, and with it the observation. */
  ended(exchange: ExchangeId): void {
    this.#ends.get(exchange)?.abort();
    this.#ends.delete(exchange);
  }

  /** All observations are over. */
  close(): void {
    this.#closed = true;
    for (const end of this.#ends.values()) end.abort();
    this.#ends.clear();
  }
}
