/**
 * What an operator says of overload: how often each identity may ask, what alerts are, and when requests are turned away.
 */
import type { AlertPattern } from './alerts.ts';
import type { RequestRate } from './request-rate.ts';

/** See the module comment. */
export interface OverloadSettings {
  /** Of each identity for which the rules of access say nothing else; undefined: no limit. */
  readonly maxRate: RequestRate | undefined;
  readonly alerts: readonly AlertPattern[];
  /** Delay of the event loop from which on what is least urgent is turned away, in milliseconds; 0: never. */
  readonly maxDelayMs: number;
}

/** What counts when the operator says nothing. */
export const defaultOverload: OverloadSettings = { maxRate: undefined, alerts: [], maxDelayMs: 1000 };
