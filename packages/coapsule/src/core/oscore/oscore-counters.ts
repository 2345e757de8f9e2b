/**
 * What the OSCORE layer counts.
 *
 * @module
 */

import type { RequestFault } from './verify-request.ts';
import type { ResponseFault } from './verify-response.ts';

/** Counters since the layer was made; they only grow. */
export interface OscoreCounters {
  requestsProtected: number;
  responsesProtected: number;
  requestsVerified: number;
  responsesVerified: number;
  /** Requests refused, by reason (RFC 8613 §8.2). */
  readonly refused: Record<RequestFault, number>;
  /** Responses and notifications discarded, by reason (§8.4). */
  readonly discarded: Record<ResponseFault, number>;
  /** Responses without protection to requests that had it. */
  unprotectedResponses: number;
  /** Requests answered by an Echo, after a restart (Appendix B.1.2). */
  challenged: number;
  /** Requests that nothing was done about, as too many that may be replays waited for the store; they may come again. */
  passedOver: number;
  /** Requests answered by a random ID (Appendix B.2). */
  rederived: number;
  /** Requests of ours that were protected again. */
  repeated: number;
  /** Messages that had to wait for the store. */
  waited: number;
  /** Records that could not be stored. */
  storesFailed: number;
  /** Messages not sent. */
  unsendable: number;
}

/** All counters at zero. */
export function zeroOscoreCounters(): OscoreCounters {
  return {
    requestsProtected: 0,
    responsesProtected: 0,
    requestsVerified: 0,
    responsesVerified: 0,
    refused: {
      malformed: 0,
      'context-not-found': 0,
      replay: 0,
      'decryption-failed': 0,
      'too-many-runs': 0,
    },
    discarded: {
      malformed: 0,
      'decryption-failed': 0,
      'unexpected-notification': 0,
      'stale-notification': 0,
      'already-answered': 0,
      closed: 0,
    },
    unprotectedResponses: 0,
    challenged: 0,
    passedOver: 0,
    rederived: 0,
    repeated: 0,
    waited: 0,
    storesFailed: 0,
    unsendable: 0,
  };
}

/** All counters by name: `requestsVerified`, `refused:replay`, `discarded:malformed`. */
export function flatOscoreCounters(counters: Readonly<OscoreCounters>): Readonly<Record<string, number>> {
  const { refused, discarded, ...plain } = counters;
  const named = (what: string, counts: Readonly<Record<string, number>>): [string, number][] =>
    Object.entries(counts).map(([reason, count]) => [`${what}:${reason}`, count]);
  return {
    ...plain,
    ...Object.fromEntries([...named('refused', refused), ...named('discarded', discarded)]),
  };
}
