/**
 * record_size_limit (RFC 8449 §4) and its forerunner max_fragment_length (RFC 6066 §4): how much plaintext a record
 * may carry.
 *
 * @module
 */

import { ByteWriter } from '../../../foundation/byte-writer.ts';
import { type Extension, type ExtensionList, ExtensionType, extensionData } from './extension-list.ts';

/** Least value of record_size_limit (RFC 8449 §4). */
const leastRecordSizeLimit = 64;

/** Lengths of max_fragment_length by their codes 1 … 4 (RFC 6066 §4). */
const fragmentLengths: readonly number[] = [512, 1024, 2048, 4096];

/** The extension for the largest plaintext that the sender takes, in bytes. */
export function recordSizeLimitExtension(bytes: number): Extension {
  return { type: ExtensionType.RecordSizeLimit, data: new ByteWriter(2).u16(bytes).finish() };
}

/** The limit in a Hello, `undefined` when it does not have the extension; below 64 it is malformed (RFC 8449 §4). */
export function readRecordSizeLimit(list: ExtensionList): number | undefined | 'malformed' {
  const data = extensionData(list, ExtensionType.RecordSizeLimit);
  if (data === undefined) return undefined;
  if (data.length !== 2) return 'malformed';
  const limit = ((data[0] as number) << 8) | (data[1] as number);
  return limit < leastRecordSizeLimit ? 'malformed' : limit;
}

/** The largest length that max_fragment_length can say and that is no more than `bytes`. */
export function fragmentLengthWithin(bytes: number): number | undefined {
  let largest: number | undefined;
  for (const length of fragmentLengths) if (length <= bytes) largest = length;
  return largest;
}

/** max_fragment_length for one of its four lengths. */
export function maxFragmentLengthExtension(bytes: number): Extension {
  const code = fragmentLengths.indexOf(bytes) + 1;
  return { type: ExtensionType.MaxFragmentLength, data: Uint8Array.of(code) };
}

/** The length in a Hello, `undefined` when it does not have the extension. */
export function readMaxFragmentLength(list: ExtensionList): number | undefined | 'malformed' {
  const data = extensionData(list, ExtensionType.MaxFragmentLength);
  if (data === undefined) return undefined;
  const length = data.length === 1 ? fragmentLengths[(data[0] as number) - 1] : undefined;
  return length ?? 'malformed';
}
