/**
 * A Redis stream as a log with marks: what is behind a mark, and whether something there is not kept any more.
 */
import type { RedisLink } from './redis-link.ts';

/** An entry of a stream. */
export interface LogEntry {
  readonly id: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** Some entries. */
export interface LogPage {
  readonly entries: readonly LogEntry[];
  readonly mark: string;
  readonly hasGap: boolean;
  /** What was at the mark is not there, although older entries are, or nothing so late is: Redis has lost data, or is another one. */
  readonly isLost: boolean;
}

/** See the module comment. */
export class RedisLog {
  readonly key: string;
  readonly #link: Pick<RedisLink, 'ask'>;

  constructor(link: Pick<RedisLink, 'ask'>, key: string) {
    this.#link = link;
    this.key = key;
  }

  /** The mark behind all by now. */
  async end(): Promise<string> {
    return (await this.#info()).last;
  }

  async after(mark: string, limit: number): Promise<LogPage> {
    // Before the entries: what is added between is not taken for lost.
    const { first, last, hasForgotten } = await this.#info();
    const isAhead = isBefore(last, mark);
    // Entries go from the beginning alone. An older copy of Redis that was written since has later ones, and not this one.
    const isExpected = mark !== start && !isBefore(mark, first) && isBefore(mark, last);
    const from = isAhead ? '-' : isExpected ? mark : `(${mark}`;
    const most = String(isExpected ? limit + 1 : limit);
    const found = (await this.#link.ask('XRANGE', this.key, from, '+', 'COUNT', most)) as [
      string,
      string[],
    ][];
    const isGone = isExpected && found[0]?.[0] !== mark;
    const isLost = isAhead || isGone;
    const behind = found.filter(([id]) => id !== mark).slice(0, limit);
    const entries = behind.map(([id, fields]): LogEntry => ({ id, fields: fieldsOf(fields) }));
    return {
      entries,
      mark: entries.at(-1)?.id ?? (isLost ? last : mark),
      hasGap: isLost || (hasForgotten && isBefore(mark, first)),
      isLost,
    };
  }

  async #info(): Promise<{ readonly first: string; readonly last: string; readonly hasForgotten: boolean }> {
    if ((await this.#link.ask('EXISTS', this.key)) === 0)
      return { first: start, last: start, hasForgotten: false };
    const info = fieldsOf((await this.#link.ask('XINFO', 'STREAM', this.key)) as string[]);
    const firstEntry = info.get('first-entry') as unknown as [string, string[]] | null;
    const last = info.get('last-generated-id') ?? start;
    return {
      first: firstEntry?.[0] ?? last,
      last,
      hasForgotten: Number(info.get('entries-added')) > Number(info.get('length')),
    };
  }
}

const start = '0-0';

function fieldsOf(list: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (let i = 0; i < list.length; i += 2) fields.set(list[i] ?? '', list[i + 1] ?? '');
  return fields;
}

/** Marks are `MILLISECONDS-NUMBER`. */
function isBefore(one: string, other: string): boolean {
  const [oneMs = 0, oneNumber = 0] = one.split('-').map(Number);
  const [otherMs = 0, otherNumber = 0] = other.split('-').map(Number);
  return oneMs === otherMs ? oneNumber < otherNumber : oneMs < otherMs;
}
