/**
 * The numbers in the notifications of an observation, by their names: of text, JSON, CBOR and SenML, as the gateway itself reads what
 * devices send. Pure functions.
 *
 * @module
 */

import { measuredValues } from '../../src/telemetry/measured-values.ts';
import { fromHex } from '../parts/hex-text.ts';

/** One of an observation. */
export interface Notification {
  readonly atMs: number;
  readonly payloadHex: string;
  readonly contentFormat: number | null;
  readonly formatName: string | null;
  readonly code: string;
  readonly sequence: number | null;
  /** Those before it that were not shown. */
  readonly skipped: number;
}

/** What can be plotted. */
export interface PlottedNotifications {
  /** Seconds since 1970. */
  readonly x: readonly number[];
  readonly lines: readonly { readonly label: string; readonly values: readonly (number | null)[] }[];
}

/** So many lines; a plot has no colours for more. */
const mostLines = 8;

/** @param unnamed What a value without a name is called. */
export function plottedNotifications(
  notifications: readonly Notification[],
  unnamed: string,
): PlottedNotifications {
  const lines = new Map<string, (number | null)[]>();
  const x: number[] = [];
  for (const { atMs, payloadHex, contentFormat } of notifications) {
    const at = x.length;
    x.push(atMs / 1000);
    for (const [label, value] of numbersOf(payloadHex, contentFormat, atMs, unnamed)) {
      const line = lines.get(label) ?? [];
      if (line.length === 0 && lines.size >= mostLines) continue;
      lines.set(label, line);
      while (line.length < at) line.push(null);
      line[at] = value;
    }
  }
  return {
    x,
    lines: [...lines].map(([label, values]) => ({
      label,
      values: x.map((_, at) => values[at] ?? null),
    })),
  };
}

function numbersOf(
  payloadHex: string,
  contentFormat: number | null,
  atMs: number,
  unnamed: string,
): readonly (readonly [label: string, value: number])[] {
  const bytes = fromHex(payloadHex) ?? new Uint8Array();
  const values = measuredValues(bytes, contentFormat ?? undefined, atMs);
  if ('fault' in values) return [];
  const found = values.flatMap(({ name, unit, value }) =>
    typeof value === 'number'
      ? [[`${name === '' ? unnamed : name}${unit === '' ? '' : ` (${unit})`}`, value] as const]
      : [],
  );
  if (found.length > 0 || (contentFormat !== null && contentFormat !== 0)) return found;
  // Such as "tick 42": what is not a number with a unit has the first number that is in it.
  const [digits] = /-?\d+(?:\.\d+)?/.exec(new TextDecoder().decode(bytes)) ?? [];
  return digits === undefined ? [] : [[unnamed, Number(digits)]];
}
