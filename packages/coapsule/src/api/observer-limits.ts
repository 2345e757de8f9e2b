/**
 * How many observers a listener keeps at most.
 *
 * RFC 7641 §4.1: a server that is short of room answers a registration as a mere GET. Each takes 1.5 KiB and its options.
 *
 * @module
 */

import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { RequestResponseConfig } from '../core/request-response/request-response-config.ts';
import { expectKnownOptions, type OptionNames } from './known-options.ts';

/** Bounds of the list of observers; a registration beyond one of them is answered without Observe. */
export interface ObserverLimits {
  /** Of one client; 1,000 by default. */
  readonly perPeer?: number;
  /** Of one resource, with all its queries; 50,000 by default. */
  readonly perResource?: number;
  /** Of the listener; 100,000 by default. */
  readonly total?: number;
}

const observerLimitNames: OptionNames<Required<ObserverLimits>> = {
  perPeer: true,
  perResource: true,
  total: true,
};

/**
 * The core's configuration for these limits.
 *
 * @throws ApiMisuseError for one that is no whole number of 0 or more.
 */
export function observerConfig(
  where: string,
  limits: ObserverLimits = {},
): Partial<Pick<RequestResponseConfig, 'maxObservers' | 'maxObserversPerPeer' | 'maxObserversPerResource'>> {
  expectKnownOptions(`${where}: observers`, limits, observerLimitNames);
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) continue;
    throw new ApiMisuseError(`${where}: observers.${name} is ${value}; expected a whole number of 0 or more`);
  }
  const { perPeer, perResource, total } = limits;
  return {
    ...(perPeer === undefined ? {} : { maxObserversPerPeer: perPeer }),
    ...(perResource === undefined ? {} : { maxObserversPerResource: perResource }),
    ...(total === undefined ? {} : { maxObservers: total }),
  };
}
