/**
 * The readings of this gateway for the others, and theirs for its observers.
 *
 * A reading is in the data folder first, and acknowledged then. From there it follows into the stream, in order and at least once, also
 * after an outage of Redis or a crash: how far that is stands in the data folder too. What retention has taken away meanwhile is left out.
 */
import type { ReadingStream, StreamedReading } from '../keeping/reading-stream.ts';
import type { TickTimer } from '../resources/periodic-tick.ts';
import type { Reading } from '../store/reading-table.ts';
import type { Store } from '../store/store.ts';

/** What they work with. */
export interface SharedReadingsParts {
  readonly store: Pick<Store, 'readingsAfter' | 'sharedState' | 'setSharedState' | 'latest'>;
  readonly stream: ReadingStream & { latest(path: string): Promise<StreamedReading | undefined> };
  readonly node: string;
  readonly timer: TickTimer;
  /** Whether the stream can be asked now. */
  readonly isThere: () => boolean;
  readonly onError: (error: unknown) => void;
}

const stateName = 'readings';

const atOnce = 200;

/** A device that asks waits no longer for what others have. */
const longestWaitMs = 500;

/** See the module comment. */
export class SharedReadings {
  readonly #parts: SharedReadingsParts;
  #mark = 0;
  #isPublishing = false;
  #isStale = false;
  #work: Promise<void> = Promise.resolve();

  /** What is stored from now on follows, for the first time; later, what has not followed yet. */
  static async open(parts: SharedReadingsParts): Promise<SharedReadings> {
    const readings = new SharedReadings(parts);
    const known = await parts.store.sharedState(stateName);
    const { mark: end } = await parts.store.readingsAfter({ after: undefined, limit: 0 });
    // Behind the end it is only of a store that was restored from an older copy.
    readings.#mark = Math.min(end, Number(known ?? end));
    if (known === undefined) await parts.store.setSharedState({ name: stateName, value: String(end) });
    return readings;
  }

  private constructor(parts: SharedReadingsParts) {
    this.#parts = parts;
  }

  /** There may be more to publish, or Redis is there again. */
  wake(): void {
    this.#isStale = true;
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    this.#work = this.#publish().then(
      () => {
        this.#isPublishing = false;
        if (this.#isStale && this.#parts.isThere()) this.wake();
      },
      (error: unknown) => {
        this.#isPublishing = false;
        this.#isStale = true;
        this.#parts.onError(error);
      },
    );
  }

  /** Fulfils when nothing is on its way. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** The newest reading of a path, of all gateways as far as they can be asked now. */
  async latest(path: string): Promise<Reading | undefined> {
    const { store, isThere, node } = this.#parts;
    const asked = isThere() ? this.#newest(path) : undefined;
    const own = await store.latest(path);
    const newest = await asked;
    if (newest === undefined || newest.node === node) return own ?? newest?.reading;
    return own !== undefined && own.receivedAtMs >= newest.reading.receivedAtMs ? own : newest.reading;
  }

  /** Undefined also when it takes too long. */
  async #newest(path: string): Promise<StreamedReading | undefined> {
    const late = Promise.withResolvers<undefined>();
    const stop = this.#parts.timer.after(longestWaitMs, () => late.resolve(undefined));
    try {
      return await Promise.race([this.#parts.stream.latest(path), late.promise]);
    } catch {
      return undefined; // what is here counts; that Redis is away is told once, by who notices
    } finally {
      stop();
    }
  }

  async #publish(): Promise<void> {
    const { store, stream, node, isThere } = this.#parts;
    while (this.#isStale && isThere()) {
      this.#isStale = false;
      const { readings, mark } = await store.readingsAfter({ after: this.#mark, limit: atOnce });
      if (readings.length === 0) continue;
      await stream.append(readings.map((reading) => ({ node, reading })));
      this.#mark = mark;
      await store.setSharedState({ name: stateName, value: String(mark) });
      this.#isStale = true;
    }
  }
}
