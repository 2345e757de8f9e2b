/**
 * What keeps readings, with the records that recognise their requests when they come again, as the gateway relies on it. Types only.
 *
 * The guarantees are held by test/keeping/reading-keeping.ts, for every engine the same.
 */
import type { Reading, RecordOutcome, RecordTerms, RequestFingerprint } from '../store/reading-table.ts';

/** Readings by path. */
export interface ReadingKeeping {
  /**
   * Keeps a reading together with the record of its request: both or none.
   *
   * Fulfils when both are durable, never before. A request that was recorded before, and whose lifetime is not over, changes nothing
   * and gets the outcome of then, with `repeat`, whatever the terms are now. What the terms do not allow changes nothing, and is
   * judged anew when it comes again.
   */
  record(
    reading: Reading,
    request: RequestFingerprint | undefined,
    terms?: RecordTerms,
  ): Promise<RecordOutcome>;
  /** The newest reading of a path: the one that was recorded last, whatever its time says. */
  latest(path: string): Promise<Reading | undefined>;
  /** Paths with a reading below `prefix` (ends with `/`), in order; when there are too many, some of each identity. */
  pathsBelow(prefix: string, limit: number): Promise<readonly string[]>;
}
