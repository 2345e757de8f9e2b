/**
 * The values of CBOR as the library holds them.
 *
 * RFC 8949 §2. Integers and floating-point numbers are both `number`: 1.0 reads as 1. An integer beyond 2^53 is a
 * `bigint`. Keys of maps are integers or text, as all formats here have them.
 *
 * @module
 */

/** A key of a map. */
export type CborKey = number | bigint | string;

/** One data item. */
export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | undefined
  | Uint8Array
  | readonly CborValue[]
  | CborMap
  | CborTag
  | CborSimple;

/** Major type 5. */
export type CborMap = ReadonlyMap<CborKey, CborValue>;

/** A tagged value (RFC 8949 §3.4); what the tag means is left to the reader. */
export class CborTag {
  /** 0 … 2^64 - 1. */
  readonly tag: number | bigint;
  readonly value: CborValue;

  constructor(tag: number | bigint, value: CborValue) {
    this.tag = tag;
    this.value = value;
  }
}

/** A simple value other than false, true, null and undefined (RFC 8949 §3.3). */
export class CborSimple {
  /** 0 … 19 or 32 … 255. */
  readonly number: number;

  constructor(number: number) {
    this.number = number;
  }
}

/** Whether a value is a map. */
export function isCborMap(value: CborValue): value is CborMap {
  return value instanceof Map;
}

/** Whether a value is an array. */
export function isCborArray(value: CborValue): value is readonly CborValue[] {
  return Array.isArray(value);
}
