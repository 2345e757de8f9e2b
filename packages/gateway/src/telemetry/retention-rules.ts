/**
 * How long measurements are kept, by path: each as it came, then minutes, quarters of an hour and hours with minimum, maximum, mean,
 * count and last.
 *
 * Text form `PATH=raw:30d,newest:100000,1m:30d,15m:180d,1h:2y`; what is left out has its default, `off` means none of these.
 */
import { parsePath, pathCovers, type RulePath } from '../access/rule.ts';
import { pathSegments } from '../text/resource-path.ts';
import { durationText, parseDuration } from './duration.ts';

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

const names = ['raw', 'newest', '1m', '15m', '1h'] as const;

/** @returns the rule, or a sentence that says what is wrong with the text. */
export function parseRetention(text: string): RetentionRule | string {
  const equals = text.indexOf('=');
  if (equals < 0) return `"${text}" is not PATH=SPANS, such as /sensors/*=raw:7d,1h:1y`;
  const path = parsePath(text.slice(0, equals));
  if (typeof path === 'string') return path;
  const spans = new Map<string, number>();
  for (const part of text.slice(equals + 1).split(',')) {
    const [name = '', value = '', more] = part.split(':');
    if (!names.includes(name as (typeof names)[number]) || more !== undefined) {
      return `"${part}" is none of ${names.join(', ')} with its value, such as raw:7d`;
    }
    const span = value === 'off' && name !== 'newest' ? 0 : spanOf(name, value);
    if (span === undefined) {
      return name === 'newest'
        ? `"${part}" is not a number of measurements from 1 to 1000000000`
        : `"${part}" is not a length of time such as 12h, 30d or 2y, or off`;
    }
    spans.set(name, span);
  }
  const of = (name: (typeof names)[number], usual: number): number => spans.get(name) ?? usual;
  const [minutes, quarters, hours] = defaultSpans.aggregatesMs;
  return {
    path,
    rawMs: of('raw', defaultSpans.rawMs),
    newest: of('newest', defaultSpans.newest),
    aggregatesMs: [of('1m', minutes), of('15m', quarters), of('1h', hours)],
  };
}

function spanOf(name: string, value: string): number | undefined {
  if (name !== 'newest') return parseDuration(value);
  const count = /^\d{1,10}$/.test(value) ? Number(value) : 0;
  return count >= 1 && count <= 1e9 ? count : undefined;
}

/** The text of what is kept. */
export function spansText({ rawMs, newest, aggregatesMs }: KeptSpans): string {
  const spans = [rawMs, newest, ...aggregatesMs].map((span, index) =>
    index === 1 ? String(span) : span === 0 ? 'off' : durationText(span),
  );
  return names.map((name, index) => `${name}:${spans[index]}`).join(',');
}

/** What counts for a path: what the first rule that covers it says. */
export function spansFor(path: string, rules: readonly RetentionRule[]): KeptSpans {
  if (rules.length === 0) return defaultSpans;
  const segments = pathSegments(path);
  return rules.find((rule) => pathCovers(rule.path, segments)) ?? defaultSpans;
}
