/**
 * The stream of readings that gateways tell each other, as the gateway relies on it. Types only.
 *
 * The guarantees are held by test/keeping/reading-stream.ts, for every engine the same.
 */
import type { Reading } from '../store/reading-table.ts';

/** A reading that is told. */
export interface StreamedReading {
  /** The gateway that it was recorded at. */
  readonly node: string;
  readonly reading: Reading;
}

/** Some of the stream, in its order. */
export interface StreamPage {
  readonly readings: readonly StreamedReading[];
  /** Behind the last of them: what comes next is asked for with it. */
  readonly mark: string;
  /** Whether some behind the mark that was asked with are not kept any more. */
  readonly hasGap: boolean;
}

/**
 * Readings in one order for all who follow it. At least once: what a gateway appends again after a failure may be there twice. As many
 * of the newest are kept as the engine has room for.
 */
export interface ReadingStream {
  /** Fulfils when all are behind those before, in the order given; when it rejects, they may be there or not. */
  append(readings: readonly StreamedReading[]): Promise<void>;
  /** Behind everything that was appended by now. */
  end(): Promise<string>;
  /** What was appended behind a mark, as many as `limit`. */
  after(mark: string, limit: number): Promise<StreamPage>;
}
