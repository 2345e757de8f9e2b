/**
 * What a handler answers, and short forms for the usual answers.
 *
 * @module
 */

import { Code } from '../core/coap/code.ts';
import { contentFormatOf } from '../core/coap/content-format.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../core/coap/option-set.ts';
import { type ProblemDetails, plainText } from '../core/content/problem-details.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import type { BodyInput } from './body-input.ts';

/** An option by number; numbers become uints of minimal length, text UTF-8 (RFC 7252 §3.2). */
export interface OptionInput {
  readonly number: number;
  readonly value: Uint8Array | string | number;
}

/** An answer to a request. */
export interface ServerResponse {
  readonly code: Code;
  /** Whole, or read as it is sent (RFC 7959): an iterable, a `ReadableStream`, a body of random access. */
  readonly payload?: BodyInput;
  /** Number or media type, such as 50 or `application/json` (RFC 7252 §12.3). */
  readonly contentFormat?: number | string;
  readonly maxAgeSeconds?: number;
  /** 1 to 8 bytes. */
  readonly etag?: Uint8Array;
  readonly locationPath?: string;
  readonly locationQuery?: readonly string[];
  readonly options?: readonly OptionInput[];
  /** False: of an observable resource, the answer begins no observation, or ends it (RFC 7641 §4.2). */
  readonly observe?: boolean;
  /**
   * What went wrong, with an error code. Sent as it is (RFC 9290) where the request accepts content format 257 or the
   * resource says so with `problemDetails`; otherwise its detail, or title, is sent as text instead of `payload`.
   */
  readonly problem?: ProblemDetails;
}

/** What 2.05 may carry besides the payload; text is `text/plain` unless said otherwise. */
export type ContentOptions = Omit<ServerResponse, 'code' | 'payload' | 'problem'>;

/** 2.05 Content. */
export function content(payload: BodyInput, options?: ContentOptions): ServerResponse {
  const contentFormat = options?.contentFormat ?? (typeof payload === 'string' ? 'text/plain' : undefined);
  if (options === undefined && contentFormat !== undefined)
    return { code: Code.Content, payload, contentFormat };
  return {
    ...options,
    code: Code.Content,
    payload,
    ...(contentFormat === undefined ? {} : { contentFormat }),
  };
}

/** 2.04 Changed; with the ETag of what is there now, clients change it again by `ifMatch`. */
export function changed(payload?: BodyInput, options: ContentOptions = {}): ServerResponse {
  return payload === undefined
    ? { ...options, code: Code.Changed }
    : { ...content(payload, options), code: Code.Changed };
}

/** 2.01 Created, at `locationPath` when it is not the request's own path. */
export function created(locationPath?: string, options: ContentOptions = {}): ServerResponse {
  return locationPath === undefined
    ? { ...options, code: Code.Created }
    : { ...options, code: Code.Created, locationPath };
}

/** 2.02 Deleted. */
export function deleted(): ServerResponse {
  return { code: Code.Deleted };
}

/** 2.03 Valid: the client's copy with this ETag is still good (RFC 7252 §5.9.1.3). */
export function valid(etag: Uint8Array): ServerResponse {
  return { code: Code.Valid, etag };
}

/** What a failure may carry besides its diagnostic. */
export type FailureOptions = Omit<ServerResponse, 'code' | 'payload' | 'contentFormat' | 'problem'>;

/**
 * An error code with a diagnostic text for people (RFC 7252 §5.5.2), or with problem details (RFC 9290).
 *
 * With `maxAgeSeconds`, 5.03 asks a client to leave the server alone, and 4.29 not to repeat such a request, for so
 * long (RFC 7252 §5.9.3.4, RFC 8516).
 */
export function failure(
  code: Code,
  diagnostic?: string | ProblemDetails,
  options: FailureOptions = {},
): ServerResponse {
  if (typeof diagnostic === 'object') return { ...options, code, problem: diagnostic };
  return diagnostic === undefined ? { ...options, code } : { ...options, code, payload: diagnostic };
}

/** What a handler may throw instead of returning `failure(code, diagnostic, options)`. */
export class RequestFailure extends Error {
  override readonly name = 'RequestFailure';
  readonly code: Code;
  readonly response: ServerResponse;

  constructor(code: Code, diagnostic: string | ProblemDetails = '', options: FailureOptions = {}) {
    super(typeof diagnostic === 'string' ? diagnostic : (plainText(diagnostic.title) ?? ''));
    this.code = code;
    this.response = failure(code, diagnostic === '' ? undefined : diagnostic, options);
  }
}

/** The options of an answer. Refuses what cannot be encoded with an `ApiMisuseError`. */
export function responseOptions(response: ServerResponse): OptionReader {
  const { contentFormat, maxAgeSeconds, etag, locationPath, locationQuery } = response;
  const hasOthers = maxAgeSeconds ?? etag ?? locationPath ?? locationQuery ?? response.options;
  if (hasOthers === undefined) return formatOptions(contentFormat);
  const options = new OptionSet();
  if (contentFormat !== undefined) options.add(OptionNumber.ContentFormat, knownContentFormat(contentFormat));
  if (maxAgeSeconds !== undefined) options.add(OptionNumber.MaxAge, maxAgeSeconds);
  if (etag !== undefined) {
    if (etag.length < 1 || etag.length > 8) {
      throw new ApiMisuseError(`etag has ${etag.length} bytes; expected 1 to 8 (RFC 7252 §5.10.6)`);
    }
    options.add(OptionNumber.ETag, etag);
  }
  for (const escaped of locationPath?.split('/').slice(1) ?? []) {
    const segment = decodeURIComponent(escaped);
    if (segment === '.' || segment === '..') {
      throw new ApiMisuseError(`locationPath has the segment '${segment}'; expected none (RFC 7252 §5.10.7)`);
    }
    options.add(OptionNumber.LocationPath, segment);
  }
  for (const query of locationQuery ?? []) options.add(OptionNumber.LocationQuery, query);
  for (const { number, value } of response.options ?? []) options.add(number, value);
  return options;
}

/** Options of answers with a content format and no more, of each format that was used. They are not changed any more. */
const optionsOfFormats = new Map<number | string | undefined, OptionReader>();
const mostFormats = 1000;

function formatOptions(contentFormat: number | string | undefined): OptionReader {
  const known = optionsOfFormats.get(contentFormat);
  if (known !== undefined) return known;
  const options = new OptionSet();
  if (contentFormat !== undefined) options.add(OptionNumber.ContentFormat, knownContentFormat(contentFormat));
  if (optionsOfFormats.size < mostFormats) optionsOfFormats.set(contentFormat, options);
  return options;
}

/** The number of a content format, or an `ApiMisuseError` that names it. */
export function knownContentFormat(format: number | string): number {
  const number = contentFormatOf(format);
  if (number === undefined) {
    throw new ApiMisuseError(
      `content format '${format}' is not registered; give its number (RFC 7252 §12.3)`,
    );
  }
  return number;
}
