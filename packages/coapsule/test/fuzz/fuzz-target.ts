/**
 * What a file in this folder exports as `target` to be fuzzed.
 *
 * @module
 */

/** One decoder, or a whole machine that takes datagrams. */
export interface FuzzTarget {
  readonly name: string;
  /** Valid inputs; mutations start from them. They are not changed. */
  readonly corpus: readonly Uint8Array[];
  /**
   * Takes one input, which it may keep or change. Throws when a promise is broken; a promise that a decoder
   * does not throw is broken by its throwing.
   *
   * Running it twice with the same bytes must be possible: slow runs are repeated.
   */
  run(input: Uint8Array): void;
}
