/**
 * Concise Problem Details: what went wrong with a request, for programs and for people.
 *
 * RFC 9290, content format 257. Entries that are not known here are kept (§3). URIs are not resolved, and never
 * followed (§3.2). Keys inside custom entries are integers or text, as in all registered ones.
 *
 * @module
 */

import { decodeCbor } from '../cbor/decode.ts';
import { encodeCbor } from '../cbor/encode.ts';
import {
  type CborKey,
  type CborMap,
  CborTag,
  type CborValue,
  isCborArray,
  isCborMap,
} from '../cbor/value.ts';
import { ApiMisuseError, type DecodeFault, isDecodeFault } from '../foundation/errors.ts';

/** application/concise-problem-details+cbor (RFC 9290 §6.4). */
export const problemDetailsFormat = 257;

/** Base direction of a text: left to right, right to left, or to be found out (RFC 9290 §A.2). */
export type TextDirection = 'ltr' | 'rtl' | 'auto';

/** A text in a language (CBOR tag 38, RFC 9290 Appendix A). */
export interface LanguageTaggedText {
  readonly text: string;
  /** BCP 47, such as `en` or `de-AT`. */
  readonly language: string;
  readonly direction?: TextDirection;
}

/** RFC 9290 §2. Each member is optional, but there is at least one. */
export interface ProblemDetails {
  /** A short summary of the kind of problem. */
  readonly title?: string | LanguageTaggedText;
  /** An explanation of this occurrence: what helps the client to correct it. Not to be parsed. */
  readonly detail?: string | LanguageTaggedText;
  /** A URI reference that identifies this occurrence. */
  readonly instance?: string;
  /** The code of the response that this was generated for. */
  readonly responseCode?: number;
  /** What relative URI references in here are relative to. */
  readonly baseUri?: string;
  /** The language of texts without one; `en` when nothing says otherwise. */
  readonly baseLanguage?: string;
  readonly baseDirection?: TextDirection;
  /** Numbers of options that the server could not process (§3.1.1). */
  readonly unprocessedOptions?: readonly number[];
  /** Standard entries that were registered later, by their negative key. */
  readonly standard?: ReadonlyMap<number | bigint, CborValue>;
  /** Custom entries: by a registered unsigned integer, or by a URI (§3.2). */
  readonly custom?: ReadonlyMap<CborKey, CborMap>;
}

/** Keys of the standard entries (RFC 9290 §6.1). */
const Key = {
  title: -1,
  detail: -2,
  instance: -3,
  responseCode: -4,
  baseUri: -5,
  baseLanguage: -6,
  baseDirection: -7,
  unprocessedOptions: -8,
} as const;

const languageTaggedTextTag = 38;
const languageTag = /^[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*$/;
/** The scheme that an absolute URI begins with (RFC 3986 §3.1). */
const absoluteUri = /^[A-Za-z][A-Za-z0-9+.-]*:/;
const directions: readonly (readonly [TextDirection, CborValue])[] = [
  ['ltr', false],
  ['rtl', true],
  ['auto', null],
];
const unknownDirection = 'direction is neither false, true nor null';

/** A text without its language. */
export function plainText(text: string | LanguageTaggedText | undefined): string | undefined {
  return typeof text === 'object' ? text.text : text;
}

/**
 * Encode problem details (RFC 9290 §2).
 *
 * Throws `ApiMisuseError` where there is nothing to tell, for a language tag that is none, and for keys that belong to
 * another slot.
 */
export function encodeProblemDetails(details: ProblemDetails): Uint8Array {
  const entries = new Map<CborKey, CborValue>();
  const put = (key: CborKey, value: CborValue): void => void entries.set(key, value);
  if (details.title !== undefined) put(Key.title, encodeText(details.title));
  if (details.detail !== undefined) put(Key.detail, encodeText(details.detail));
  if (details.instance !== undefined) put(Key.instance, details.instance);
  if (details.responseCode !== undefined) put(Key.responseCode, details.responseCode);
  if (details.baseUri !== undefined) put(Key.baseUri, details.baseUri);
  if (details.baseLanguage !== undefined) put(Key.baseLanguage, expectLanguage(details.baseLanguage));
  if (details.baseDirection !== undefined) put(Key.baseDirection, encodeDirection(details.baseDirection));
  const [first, ...more] = details.unprocessedOptions ?? [];
  if (first !== undefined) put(Key.unprocessedOptions, more.length === 0 ? first : [first, ...more]);
  for (const [key, value] of details.standard ?? []) {
    if (key >= Key.unprocessedOptions) {
      throw new ApiMisuseError(
        `standard has the key ${key}; expected a negative one below -8 (RFC 9290 §6.1)`,
      );
    }
    put(key, value);
  }
  for (const [key, value] of details.custom ?? []) {
    if (!isCustomKey(key)) {
      throw new ApiMisuseError(`custom has the key ${key}; expected an unsigned integer or an absolute URI`);
    }
    put(key, value);
  }
  if (entries.size === 0) throw new ApiMisuseError('there are no problem details; give at least a title');
  return encodeCbor(entries);
}

/**
 * Decode problem details (RFC 9290 §2).
 *
 * @returns the details, or a fault for what is no CBOR or does not have the structure; never throws.
 */
export function decodeProblemDetails(payload: Uint8Array): ProblemDetails | DecodeFault {
  const decoded = decodeCbor(payload, { maxItems: 4096 });
  if (isDecodeFault(decoded)) return decoded;
  const { value } = decoded;
  if (!isCborMap(value) || value.size === 0) return fault('not a map with at least one entry');
  const details: { -readonly [Name in keyof ProblemDetails]: ProblemDetails[Name] } = {};
  const standard = new Map<number | bigint, CborValue>();
  const custom = new Map<CborKey, CborMap>();
  for (const [key, entry] of value) {
    switch (key) {
      case Key.title:
      case Key.detail: {
        const text = decodeText(entry);
        if (text === undefined) return fault(`text of entry ${key} is neither text nor language-tagged text`);
        details[key === Key.title ? 'title' : 'detail'] = text;
        break;
      }
      case Key.instance:
      case Key.baseUri:
        if (typeof entry !== 'string') return fault(`URI of entry ${key} is not text`);
        details[key === Key.instance ? 'instance' : 'baseUri'] = entry;
        break;
      case Key.responseCode:
        if (!isUint(entry) || entry > 255) return fault('response-code is not 0 to 255');
        details.responseCode = entry;
        break;
      case Key.baseLanguage:
        if (typeof entry !== 'string' || !languageTag.test(entry))
          return fault('base-lang is no language tag');
        details.baseLanguage = entry;
        break;
      case Key.baseDirection: {
        const direction = directions.find(([, encoded]) => encoded === entry)?.[0];
        if (direction === undefined) return fault(unknownDirection);
        details.baseDirection = direction;
        break;
      }
      case Key.unprocessedOptions: {
        const numbers = isCborArray(entry) ? entry : [entry];
        if (numbers.length === 0 || !numbers.every(isUint))
          return fault('unprocessed-coap-option has no numbers');
        details.unprocessedOptions = numbers;
        break;
      }
      default:
        if (typeof key !== 'string' && key < 0) standard.set(key, entry);
        else if (isCborMap(entry) && entry.size > 0 && isCustomKey(key)) custom.set(key, entry);
        else return fault('custom entry is not a map by an unsigned integer or a URI');
    }
  }
  if (standard.size > 0) details.standard = standard;
  if (custom.size > 0) details.custom = custom;
  return details;
}

function isUint(value: CborValue): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function isCustomKey(key: CborKey): boolean {
  return typeof key === 'string' ? absoluteUri.test(key) : key >= 0;
}

function encodeText(text: string | LanguageTaggedText): CborValue {
  if (typeof text === 'string') return text;
  const parts: CborValue[] = [expectLanguage(text.language), text.text];
  if (text.direction !== undefined) parts.push(encodeDirection(text.direction));
  return new CborTag(languageTaggedTextTag, parts);
}

function encodeDirection(direction: TextDirection): CborValue {
  const found = directions.find(([name]) => name === direction);
  if (found === undefined) {
    throw new ApiMisuseError(`direction is '${String(direction)}'; expected 'ltr', 'rtl' or 'auto'`);
  }
  return found[1];
}

function expectLanguage(language: string): string {
  if (languageTag.test(language)) return language;
  throw new ApiMisuseError(`language is '${language}'; expected a tag such as 'en' or 'de-AT' (BCP 47)`);
}

function decodeText(value: CborValue): string | LanguageTaggedText | undefined {
  if (typeof value === 'string') return value;
  if (!(value instanceof CborTag) || value.tag !== languageTaggedTextTag) return undefined;
  const parts = value.value;
  if (!isCborArray(parts)) return undefined;
  // §A.2: tag and text may be annotated with CBOR tags.
  const [language, text] = parts.slice(0, 2).map(untagged);
  if (typeof language !== 'string' || typeof text !== 'string' || !languageTag.test(language))
    return undefined;
  if (parts.length === 2) return { text, language };
  const direction = directions.find(([, encoded]) => encoded === parts[2])?.[0];
  return parts.length === 3 && direction !== undefined ? { text, language, direction } : undefined;
}

function untagged(value: CborValue): CborValue {
  return value instanceof CborTag ? untagged(value.value) : value;
}

function fault(reason: string): DecodeFault {
  return { kind: 'decode-fault', layer: 'problem-details', offset: 0, reason };
}
