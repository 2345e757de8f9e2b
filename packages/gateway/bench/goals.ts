/**
 * What the figures of `npm run bench` should be, in one place.
 *
 * @module
 */

import type { Bound } from '../../coapsule/bench/figure.ts';

/** A goal, and whether the short form in CI measures it. */
export interface Goal extends Bound {
  /**
   * The short form fails when a figure misses its goal by more than a factor of two. A goal that is not half met yet stays
   * out of it until it is, so that CI tells what got worse; the whole `npm run bench` measures and fails them all.
   */
  readonly inShortForm: boolean;
}

/** Whether a goal counts in this run. */
export function counts({ inShortForm }: Goal): boolean {
  return inShortForm || !process.argv.includes('--short');
}

/** The fields of a figure that has this goal; none where it does not count. */
export function bound(wanted: Goal): Partial<Bound> {
  return counts(wanted) ? { goal: wanted.goal, better: wanted.better } : {};
}

/** Ratios are of rates in one run. */
export const goals = {
  plainOverLibcoap: { goal: 0.8, better: 'higher', inShortForm: false },
  plainOverNodeCoap: { goal: 4, better: 'higher', inShortForm: false },
  pskOverLibcoap: { goal: 0.9, better: 'higher', inShortForm: false },
  oscoreMicroseconds: { goal: 20, better: 'lower', inShortForm: false },
  oscoreByNodeMicroseconds: { goal: 50, better: 'lower', inShortForm: false },
  plainWorkersOverLibcoap: { goal: 1.1, better: 'higher', inShortForm: false },
  pskWorkersOverLibcoap: { goal: 1.2, better: 'higher', inShortForm: false },
  pskHandshakesOverLibcoap: { goal: 1.5, better: 'higher', inShortForm: false },
  pskHandshakesLost: { goal: 0, better: 'lower', inShortForm: true },
  ecdsaHandshakeMicroseconds: { goal: 670, better: 'lower', inShortForm: false },
  pskOverLibcoapWith1000: { goal: 3, better: 'higher', inShortForm: false },
  plainOverLibcoapWith4000: { goal: 3, better: 'higher', inShortForm: false },
  with10000Over64: { goal: 0.8, better: 'higher', inShortForm: false },
  bytesPerSession: { goal: 600, better: 'lower', inShortForm: false },
  restoreSeconds: { goal: 2, better: 'lower', inShortForm: false },
  storedReadingAtFullRate: { goal: 0.5, better: 'lower', inShortForm: false },
  valueOverOpaque: { goal: 1.3, better: 'lower', inShortForm: true },
  fleetP99Milliseconds: { goal: 50, better: 'lower', inShortForm: false },
  fleetRate: { goal: 990, better: 'higher', inShortForm: false },
  getMilliseconds: { goal: 200, better: 'lower', inShortForm: true },
  readySeconds: { goal: 1, better: 'lower', inShortForm: true },
  consoleFrames: { goal: 30, better: 'higher', inShortForm: true },
  consoleMegabytes: { goal: 200, better: 'lower', inShortForm: true },
  consoleCpuPercent: { goal: 5, better: 'lower', inShortForm: false },
} as const satisfies Readonly<Record<string, Goal>>;
