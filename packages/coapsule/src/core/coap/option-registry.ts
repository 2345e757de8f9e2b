/**
 * The CoAP options we know, as one table, and what the bits of an option number say about any option.
 *
 * RFC 7252 §5.4.6 and §5.10 (Table 4); the other rows from RFC 7641, 7959, 7967, 8613, 8768, 9175, 9177
 * and 9668. What to do about an unknown or malformed option (§5.4.1) is decided by its user, not here.
 *
 * @module
 */

import { isUtf8 } from '../foundation/utf8.ts';

/** The number of each option we know, by its RFC name without the hyphens. */
export const OptionNumber = {
  IfMatch: 1,
  UriHost: 3,
  ETag: 4,
  IfNoneMatch: 5,
  Observe: 6,
  UriPort: 7,
  LocationPath: 8,
  Oscore: 9,
  UriPath: 11,
  ContentFormat: 12,
  MaxAge: 14,
  UriQuery: 15,
  HopLimit: 16,
  Accept: 17,
  QBlock1: 19,
  LocationQuery: 20,
  Edhoc: 21,
  Block2: 23,
  Block1: 27,
  Size2: 28,
  QBlock2: 31,
  ProxyUri: 35,
  ProxyScheme: 39,
  Size1: 60,
  Echo: 252,
  NoResponse: 258,
  RequestTag: 292,
} as const;

/** The highest option number (16 bits, RFC 7252 §12.2). */
export const maxOptionNumber = 65_535;

/** Highest length of an option value that the format can express: 16 bits extended, plus 269 (RFC 7252 §3.1). */
export const maxOptionLength: number = 65_535 + 269;

/** How the bytes of an option value are read (RFC 7252 §3.2). */
export type OptionFormat = 'empty' | 'opaque' | 'uint' | 'string';

/** One row of the table of options (RFC 7252 §5.10). */
export interface OptionDefinition {
  readonly number: number;
  /** The RFC's name, such as `Uri-Path`. */
  readonly name: string;
  readonly format: OptionFormat;
  /** Shortest legal value in bytes. */
  readonly minLength: number;
  /** Longest legal value in bytes. */
  readonly maxLength: number;
  /** Whether the option may occur more than once (§5.4.5). */
  readonly repeatable: boolean;
}

/** Whether a recipient that does not know the option must not ignore it (RFC 7252 §5.4.1, §5.4.6). */
export function isCritical(number: number): boolean {
  return (number & 1) !== 0;
}

/** Whether a proxy that does not know the option must not forward it (RFC 7252 §5.4.2, §5.4.6). */
export function isUnsafe(number: number): boolean {
  return (number & 2) !== 0;
}

/** Whether a safe-to-forward option is left out of the Cache-Key (RFC 7252 §5.4.2, §5.4.6). */
export function isNoCacheKey(number: number): boolean {
  return (number & 0x1e) === 0x1c;
}

const definitions: ReadonlyMap<number, OptionDefinition> = new Map(
  [
    // RFC 7252 §5.10, Table 4
    define(OptionNumber.IfMatch, 'If-Match', 'opaque', 0, 8, true),
    define(OptionNumber.UriHost, 'Uri-Host', 'string', 1, 255, false),
    define(OptionNumber.ETag, 'ETag', 'opaque', 1, 8, true),
    define(OptionNumber.IfNoneMatch, 'If-None-Match', 'empty', 0, 0, false),
    define(OptionNumber.UriPort, 'Uri-Port', 'uint', 0, 2, false),
    define(OptionNumber.LocationPath, 'Location-Path', 'string', 0, 255, true),
    define(OptionNumber.UriPath, 'Uri-Path', 'string', 0, 255, true),
    define(OptionNumber.ContentFormat, 'Content-Format', 'uint', 0, 2, false),
    define(OptionNumber.MaxAge, 'Max-Age', 'uint', 0, 4, false),
    define(OptionNumber.UriQuery, 'Uri-Query', 'string', 0, 255, true),
    define(OptionNumber.Accept, 'Accept', 'uint', 0, 2, false),
    define(OptionNumber.LocationQuery, 'Location-Query', 'string', 0, 255, true),
    define(OptionNumber.ProxyUri, 'Proxy-Uri', 'string', 1, 1034, false),
    define(OptionNumber.ProxyScheme, 'Proxy-Scheme', 'string', 1, 255, false),
    define(OptionNumber.Size1, 'Size1', 'uint', 0, 4, false),
    // RFC 7641 §2
    define(OptionNumber.Observe, 'Observe', 'uint', 0, 3, false),
    // RFC 7959 §2.1 and §4
    define(OptionNumber.Block2, 'Block2', 'uint', 0, 3, false),
    define(OptionNumber.Block1, 'Block1', 'uint', 0, 3, false),
    define(OptionNumber.Size2, 'Size2', 'uint', 0, 4, false),
    // RFC 7967 §2
    define(OptionNumber.NoResponse, 'No-Response', 'uint', 0, 1, false),
    // RFC 8613 §2
    define(OptionNumber.Oscore, 'OSCORE', 'opaque', 0, 255, false),
    // RFC 8768 §3
    define(OptionNumber.HopLimit, 'Hop-Limit', 'uint', 1, 1, false),
    // RFC 9175 §2.2.1 and §3.2.1
    define(OptionNumber.Echo, 'Echo', 'opaque', 1, 40, false),
    define(OptionNumber.RequestTag, 'Request-Tag', 'opaque', 0, 8, true),
    // RFC 9177 §4.1
    define(OptionNumber.QBlock1, 'Q-Block1', 'uint', 0, 3, false),
    define(OptionNumber.QBlock2, 'Q-Block2', 'uint', 0, 3, true),
    // RFC 9668 §3.1
    define(OptionNumber.Edhoc, 'EDHOC', 'empty', 0, 0, false),
  ].map((definition) => [definition.number, definition]),
);

/** The definition of an option number, or `undefined` when we do not know the option. */
export function optionDefinition(number: number): OptionDefinition | undefined {
  return definitions.get(number);
}

/**
 * Whether a value of `lengthBytes` is inside the range its definition allows.
 * An option outside of it is treated like an unrecognized one (RFC 7252 §5.4.3).
 */
export function isLegalOptionLength(definition: OptionDefinition, lengthBytes: number): boolean {
  return lengthBytes >= definition.minLength && lengthBytes <= definition.maxLength;
}

/**
 * Whether a value is legal for its definition: its length (RFC 7252 §5.4.3) and, for format string, that it
 * is well-formed UTF-8 (§3.2). A uint may have leading zero bytes.
 *
 * @param bytes Hold it, from `start` to `end`; all of them by default.
 */
export function isLegalOptionValue(
  definition: OptionDefinition,
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): boolean {
  if (!isLegalOptionLength(definition, end - start)) return false;
  return definition.format !== 'string' || isUtf8(bytes, start, end);
}

function define(
  number: number,
  name: string,
  format: OptionFormat,
  minLength: number,
  maxLength: number,
  repeatable: boolean,
): OptionDefinition {
  return Object.freeze({ number, name, format, minLength, maxLength, repeatable });
}
