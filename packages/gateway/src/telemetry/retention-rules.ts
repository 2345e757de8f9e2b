/**
 * How long measurements are kept, by path: each as it came, then minutes, quarters of an hour and hours with minimum, maximum, mean,
 * count and last.
 */
import { pathCovers, type RulePath } from '../access/rule.ts';
import { pathSegments } from '../text/resource-path.ts';

/** The lengths of aggregates in ms, each a multiple of the one before. */
export const aggregateSteps = [60_000, 900_000, 3_600_000] as const;

/** How long something is kept. */
export interface KeptSpans {
  /** As it came: so old in ms, and so many of each series. */
  readonly rawMs: number;
  readonly newest: number;
  /** Aggregates of each length: so old in ms; 0 for none. */
  readonly aggregatesMs: readonly [minutes: number, quarters: number, hours: number];
}

/** For some paths. */
export interface RetentionRule extends KeptSpans {
  readonly path: RulePath;
}

const dayMs = 86_400_000;

/** What counts where no rule says otherwise. */
const defaultSpans: KeptSpans = {
  rawMs: 30 * dayMs,
  newest: 100_000,
  aggregatesMs: [30 * dayMs, 180 * dayMs, 730 * dayMs],
};

/** What counts for a path: what the first rule that covers it says. */
export function spansFor(path: string, rules: readonly RetentionRule[]): KeptSpans {
  if (rules.length === 0) return defaultSpans;
  const segments = pathSegments(path);
  return rules.find((rule) => pathCovers(rule.path, segments)) ?? defaultSpans;
}
