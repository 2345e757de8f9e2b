/**
 * Values as they come, for all who look: whoever wrote, a changed path is read once, a few times a second, and its newest values go to
 * every reader. What a reader has not taken is replaced by what is newer, so that it costs a slow one nothing but updates in between.
 * Of a path without readings it is the state of the resource there (observed-states.ts).
 *
 * Nothing is watched while nobody looks.
 */

import type { TickTimer } from '../resources/periodic-tick.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { Reading } from '../store/reading-table.ts';
import { measuredValues } from '../telemetry/measured-values.ts';
import { printableUtf8 } from '../text/printable.ts';
import type { LiveEvents, LiveValue } from './api-types.ts';
import type { EventSource } from './event-stream.ts';
import type { ObservedState, ObservedStates } from './observed-states.ts';

/** What it works with. */
export interface LiveValuesParts {
  /** Tells of each path that has changed, as `Server.watch` does. */
  readonly watch: (changed: (path: string) => void) => () => void;
  /** The newest readings of these paths, in their order; undefined where there is none. */
  readonly latest: (paths: readonly string[]) => Promise<readonly (Reading | undefined)[]>;
  /** Paths that have readings, in order. */
  readonly paths: (limit: number) => Promise<readonly string[]>;
  readonly states: Pick<ObservedStates, 'begin' | 'end' | 'states'>;
  readonly clock: WallClock;
  readonly timer: TickTimer;
  readonly onError: (error: unknown) => void;
}

/** How often a reader gets something, at most. */
const flushMs = 250;

/** Values that a reader is shown, paths that wait to be read, and values of one reading. */
const most = { values: 5000, paths: 10_000, valuesOfPath: 64 } as const;

/** Longest text of a value, in characters. */
const longestText = 200;

/** See the module comment. */
export class LiveValues {
  readonly #parts: LiveValuesParts;
  readonly #readers = new Set<LiveReader>();
  /** With how often each has changed since it was read last. */
  #changed = new Map<string, number>();
  #unwatch: (() => void) | undefined;
  #cancelFlush: (() => void) | undefined;
  #isReading = false;

  constructor(parts: LiveValuesParts) {
    this.#parts = parts;
  }

  /** @param below Only values of this path, or below it; undefined: all. */
  open(below: string | undefined): EventSource<keyof LiveEvents> {
    const reader = new LiveReader(below, this.#parts.clock, () => this.#close(reader));
    this.#readers.add(reader);
    this.#unwatch ??= this.#watch();
    this.#begin(reader).catch((error: unknown) => {
      this.#parts.onError(error);
      reader.fail();
    });
    return reader;
  }

  #watch(): () => void {
    const { watch, states } = this.#parts;
    const unwatch = watch((path) => this.#note(path));
    states.begin((path) => this.#note(path));
    return () => {
      unwatch();
      states.end();
    };
  }

  async #begin(reader: LiveReader): Promise<void> {
    const paths = (await this.#parts.paths(most.values + 1)).filter((path) => reader.wants(path));
    const shown = paths.slice(0, most.values);
    const readings = await this.#parts.latest(shown);
    const values = readings.flatMap((reading) => (reading === undefined ? [] : valuesOf(reading, 1)));
    reader.begin(values.slice(0, most.values), paths.length > shown.length || values.length > most.values);
  }

  #close(reader: LiveReader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    this.#changed.clear();
  }

  #note(path: string): void {
    const count = this.#changed.get(path);
    if (count === undefined && this.#changed.size >= most.paths) return;
    this.#changed.set(path, (count ?? 0) + 1);
    this.#flushLater();
  }

  #flushLater(): void {
    if (this.#isReading) return;
    this.#cancelFlush ??= this.#parts.timer.after(flushMs, () => {
      this.#cancelFlush = undefined;
      this.#isReading = true;
      this.#flush()
        .catch(this.#parts.onError)
        .finally(() => {
          this.#isReading = false;
          if (this.#changed.size > 0 && this.#readers.size > 0) this.#flushLater();
        });
    });
  }

  async #flush(): Promise<void> {
    const changed = this.#changed;
    this.#changed = new Map();
    const readers = [...this.#readers];
    const paths = [...changed.keys()].filter((path) => readers.some((one) => one.wants(path)));
    const { latest, states, clock } = this.#parts;
    const readings = await latest(paths);
    const others = await states.states(paths.filter((_, index) => readings[index] === undefined));
    const values = [...readings, ...others.map((state) => ({ ...state, receivedAtMs: clock() }))].flatMap(
      (reading) => (reading === undefined ? [] : valuesOf(reading, changed.get(reading.path) ?? 1)),
    );
    for (const reader of this.#readers) reader.add(values);
  }
}

/** One who looks. */
class LiveReader implements EventSource<keyof LiveEvents> {
  readonly #below: string | undefined;
  readonly #clock: WallClock;
  readonly #onClose: () => void;
  #snapshot: LiveEvents['snapshot'] | undefined;
  #hasBegun = false;
  readonly #waiting = new Map<string, LiveValue>();
  isOver = false;
  problem: LiveEvents['end'] = null;
  onChange: () => void = () => {};

  constructor(below: string | undefined, clock: WallClock, onClose: () => void) {
    this.#below = below;
    this.#clock = clock;
    this.#onClose = onClose;
  }

  wants(path: string): boolean {
    return this.#below === undefined || path === this.#below || path.startsWith(`${this.#below}/`);
  }

  begin(values: readonly LiveValue[], isCut: boolean): void {
    this.#snapshot = { values, isCut, nowMs: this.#clock() };
    this.onChange();
  }

  add(values: readonly LiveValue[]): void {
    for (const value of values) {
      if (!this.wants(value.path)) continue;
      const key = `${value.path}\n${value.name}`;
      const before = this.#waiting.get(key);
      if (before === undefined && this.#waiting.size >= most.values) continue;
      this.#waiting.set(key, { ...value, updates: value.updates + (before?.updates ?? 0) });
    }
    if (this.#waiting.size > 0) this.onChange();
  }

  fail(): void {
    this.isOver = true;
    this.problem = { code: 'busy', message: 'the store cannot be read now' };
    this.onChange();
  }

  take(): { readonly event: 'snapshot' | 'values'; readonly data: unknown } | undefined {
    if (!this.#hasBegun) {
      if (this.#snapshot === undefined) return undefined;
      const data = this.#snapshot;
      this.#snapshot = undefined;
      this.#hasBegun = true;
      return { event: 'snapshot', data };
    }
    if (this.#waiting.size === 0) return undefined;
    const data: LiveEvents['values'] = { values: [...this.#waiting.values()], nowMs: this.#clock() };
    this.#waiting.clear();
    return { event: 'values', data };
  }

  close(): void {
    this.#onClose();
  }
}

/** The values of a reading; of one that nobody can take apart its text, or how long it is. */
function valuesOf(
  reading: Pick<Reading, 'receivedAtMs'> & Partial<Pick<Reading, 'identity'>> & ObservedState,
  updates: number,
): readonly LiveValue[] {
  const { path, value, contentFormat, receivedAtMs, identity = null } = reading;
  const measured = measuredValues(value, contentFormat, receivedAtMs);
  const common = { path, identity, atMs: receivedAtMs, updates };
  if ('fault' in measured || measured.length === 0) {
    const text = printableUtf8(value, longestText) ?? `${value.length} bytes`;
    return [{ ...common, name: '', unit: '', value: text }];
  }
  return measured.slice(0, most.valuesOfPath).map(({ name, unit, value: one, sum }) => ({
    ...common,
    ...{ name, unit },
    value: one instanceof Uint8Array ? `${one.length} bytes` : (shortened(one) ?? sum ?? null),
  }));
}

function shortened<T>(value: T): T | string {
  return typeof value === 'string' && value.length > longestText ? `${value.slice(0, longestText)}…` : value;
}
