/**
 * Which refusals are written one by one, and which are only counted: a flood must not fill the disk, nor push out of the
 * bounded file what matters.
 *
 * The first refusal of a peer for a reason is written at once. Those after it are counted, and told in one line when a minute is
 * over. Peers are remembered up to a bound; those beyond it are counted together. Pure: time comes as a value.
 */

/** What was refused, and to whom. */
export interface RefusedRequest {
  /** `forbidden`, or the cause of a failed handshake. */
  readonly reason: string;
  /** An identity that was proved, or the host; never a port, which a flood would change. */
  readonly peer: string;
  /** More for the line, of the latest one. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A line to write. */
export interface RefusalLine extends RefusedRequest {
  /** How many more there were since the line before; undefined in the first line of a peer. */
  readonly repeated?: number;
}

interface Repeated {
  latest: RefusedRequest;
  count: number;
}

/** How long repeated refusals are counted, in milliseconds. */
export const countingMs = 60_000;

/** Peers, with reasons, that are told apart in that time. */
const maxPeers = 200;

/** See the module comment. */
export class RefusalCount {
  readonly #repeated = new Map<string, Repeated>();
  #others = 0;

  /** @returns the line to write now, if any. */
  add(refused: RefusedRequest): RefusalLine | undefined {
    const name = `${refused.reason}\n${refused.peer}`;
    const known = this.#repeated.get(name);
    if (known !== undefined) {
      known.count += 1;
      known.latest = refused;
      return undefined;
    }
    if (this.#repeated.size >= maxPeers) {
      this.#others += 1;
      return undefined;
    }
    this.#repeated.set(name, { latest: refused, count: 0 });
    return refused;
  }

  /** What was counted since the last time; after that every peer is new again. */
  takeCounted(): readonly RefusalLine[] {
    const lines: RefusalLine[] = [...this.#repeated.values()]
      .filter(({ count }) => count > 0)
      .map(({ latest, count }) => ({ ...latest, repeated: count }));
    if (this.#others > 0)
      lines.push({ reason: 'several', peer: 'others', details: {}, repeated: this.#others });
    this.#repeated.clear();
    this.#others = 0;
    return lines;
  }
}
