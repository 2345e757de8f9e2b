/**
 * How many answers of the proxies came from where, since the start: for figures of operation.
 */
import type { ProxyAnswerSource } from 'coapsule';

/** See the file comment; of the forward-proxy and of all reverse-proxies together, HTTP servers among them. */
export type ProxyCounts = Readonly<Record<ProxyAnswerSource, number>>;

/** Counts. */
export class ProxyCounter {
  readonly #counts: Record<ProxyAnswerSource, number> = {
    cached: 0,
    validated: 0,
    observed: 0,
    forwarded: 0,
    failed: 0,
  };

  /** As `ProxySettings.onAnswer` has it. */
  readonly add = (source: ProxyAnswerSource): void => {
    this.#counts[source]++;
  };

  /** As they are now. */
  get counts(): ProxyCounts {
    return { ...this.#counts };
  }
}
