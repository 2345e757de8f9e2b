/**
 * What one thread of the gateway has counted, and what it holds now, as plain values that go to another thread.
 */
import type { EndpointStatistics } from 'coapsule';
import type { TurnedAway } from '../overload/admission.ts';
import type { AssociationMeterCounts } from './association-meter.ts';
import type { DurationCounts } from './duration-histogram.ts';
import type { RequestMeterCounts } from './request-meter.ts';

/** How much waits for the store, and how its commits fare. */
export interface StoreLoad {
  readonly commits: number;
  readonly commitDurations: DurationCounts;
  readonly failedCommits: number;
  readonly waitingWrites: number;
  readonly waitingBytes: number;
  readonly waitingReads: number;
}

/** See the module comment. */
export interface ThreadStatistics {
  /** Number of the worker; 0 is the main thread. */
  readonly worker: number;
  readonly requests: RequestMeterCounts;
  readonly associations: AssociationMeterCounts;
  /** Of each endpoint, by its scheme. */
  readonly endpoints: readonly { readonly scheme: string; readonly statistics: EndpointStatistics }[];
  readonly turnedAway: Readonly<Record<TurnedAway | 'gave-way', number>>;
  readonly gate: { readonly atWork: number; readonly waiting: number };
  readonly store: StoreLoad;
  readonly eventLoop: { readonly latestDelayMs: number; readonly longestDelayMs: number };
  readonly heapUsedBytes: number;
}
