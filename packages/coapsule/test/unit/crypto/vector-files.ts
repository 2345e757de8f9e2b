/**
 * Reads the JSON files of `test/vectors/`.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { fromHex } from '../../../src/core/foundation/bytes.ts';

/** The content of one vector file; its shape is the caller's promise. */
export function readVectors<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(`../../vectors/${path}`, import.meta.url), 'utf8')) as T;
}

/** The bytes of hexadecimal text in a vector file. */
export function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error(`not hexadecimal: ${text.slice(0, 20)}`);
  return bytes;
}

/** A file of the Wycheproof project; `Group` and `Case` say which columns it has. */
export interface WycheproofFile<Group, Case> {
  readonly numberOfTests: number;
  readonly testGroups: readonly (Group & {
    readonly tests: readonly (Case & {
      readonly tcId: number;
      readonly comment: string;
      readonly result: 'valid' | 'invalid' | 'acceptable';
      readonly flags: readonly string[];
    })[];
  })[];
}
