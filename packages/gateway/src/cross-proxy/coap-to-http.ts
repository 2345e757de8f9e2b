/**
 * Between CoAP and HTTP in the direction CoAP to HTTP, as pure functions (RFC 7252 §10.1, the tables of RFC 8075 read
 * backwards): the URI that is asked for, methods, options and headers, status codes.
 *
 * The other direction is http/http-mapping.ts.
 */
import {
  Code,
  failure,
  type Method,
  type OptionInput,
  OptionNumber,
  type OptionReader,
  type ServerResponse,
} from 'coapsule';
import { contentFormatMediaType, contentFormatOf, isCritical } from 'coapsule/message';
import { formatOf } from '../http/http-mapping.ts';
import type { EntityTags } from './entity-tags.ts';
import { isHttpUri } from './http-target-rule.ts';

/** What of a request of CoAP becomes one of HTTP. */
export interface CoapQuestion {
  readonly method: Method;
  readonly options: OptionReader;
}

/** An HTTP request without its URI and body. */
export interface HttpQuestion {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** FETCH has no counterpart that servers know; PATCH and iPATCH differ only in what a repetition does (RFC 8132 §3). */
const methods: Readonly<Record<Method, string | undefined>> = {
  GET: 'GET',
  POST: 'POST',
  PUT: 'PUT',
  DELETE: 'DELETE',
  PATCH: 'PATCH',
  IPATCH: 'PATCH',
  FETCH: undefined,
};

/** Critical options that are understood here, or that ended at this hop. */
const understood: ReadonlySet<number> = new Set([
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
  OptionNumber.ProxyUri,
  OptionNumber.ProxyScheme,
  OptionNumber.IfMatch,
  OptionNumber.IfNoneMatch,
  OptionNumber.Accept,
  OptionNumber.Block1,
  OptionNumber.Block2,
  OptionNumber.QBlock1,
  OptionNumber.QBlock2,
]);

/** The request for HTTP, or the answer where it has none. */
export function httpQuestion(
  { method, options }: CoapQuestion,
  tags: EntityTags,
): HttpQuestion | ServerResponse {
  const httpMethod = methods[method];
  if (httpMethod === undefined) return failure(Code.NotImplemented, `${method} has no counterpart in HTTP`);
  for (const { number } of options.entries()) {
    // A critical option must not be left out silently (RFC 7252 §5.4.1); HTTP has no header for it.
    if (isCritical(number) && !understood.has(number))
      return failure(Code.BadOption, `option ${number} has no counterpart in HTTP`);
  }
  const headers: Record<string, string> = {};
  const accept = options.uint(OptionNumber.Accept);
  if (accept !== undefined) headers['accept'] = mediaTypeOf(accept);
  const contentFormat = options.uint(OptionNumber.ContentFormat);
  if (contentFormat !== undefined) Object.assign(headers, contentHeaders(contentFormat));
  const known = options.all(OptionNumber.ETag).flatMap((etag) => tags.ofHttp(etag) ?? []);
  if (method === 'GET' && known.length > 0) headers['if-none-match'] = known.join(', ');
  const expected = options.all(OptionNumber.IfMatch);
  if (expected.some((etag) => etag.length === 0)) headers['if-match'] = '*';
  else if (expected.length > 0) {
    const named = expected.flatMap((etag) => tags.ofHttp(etag) ?? []);
    // A condition that cannot be asked is not fulfilled as far as anybody knows.
    if (named.length === 0)
      return failure(Code.PreconditionFailed, 'the entity tag is not known here any more');
    headers['if-match'] = named.join(', ');
  }
  if (options.has(OptionNumber.IfNoneMatch)) headers['if-none-match'] = '*';
  return { method: httpMethod, headers };
}

/** RFC 8075 §6.2: what has no name goes by its number. */
function mediaTypeOf(contentFormat: number): string {
  return contentFormatMediaType(contentFormat) ?? `application/coap-payload;cf=${contentFormat}`;
}

/** 11050 and 11060 are compressed. */
function contentHeaders(contentFormat: number): Readonly<Record<string, string>> {
  const type = mediaTypeOf(contentFormat);
  const isDeflated =
    contentFormat !== contentFormatOf(type) && contentFormat === contentFormatOf(`${type}@deflate`);
  return { 'content-type': type, ...(isDeflated && { 'content-encoding': 'deflate' }) };
}

/** Headers of a response by their names in small letters. */
export type ResponseHeaders = (name: string) => string | undefined;

/** What is known of an HTTP response before its body. */
export interface HttpReply {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly hasBody: boolean;
}

/** What the reply is an answer to. */
export interface Asked extends CoapQuestion {
  /** The resource that was asked, to resolve a Location against. */
  readonly url: URL;
  readonly nowMs: number;
}

/** Codes of statuses that say something went wrong (RFC 8075 §7, Table 2 from right to left; RFC 8768 §5). */
const failures: ReadonlyMap<number, Code> = new Map<number, Code>([
  [400, Code.BadRequest],
  [401, Code.Unauthorized],
  [403, Code.Forbidden],
  [404, Code.NotFound],
  [405, Code.MethodNotAllowed],
  [406, Code.NotAcceptable],
  [407, Code.BadGateway],
  [409, Code.Conflict],
  [410, Code.NotFound],
  [412, Code.PreconditionFailed],
  [413, Code.RequestEntityTooLarge],
  [415, Code.UnsupportedContentFormat],
  [422, Code.UnprocessableEntity],
  [429, Code.TooManyRequests],
  [501, Code.NotImplemented],
  [502, Code.BadGateway],
  [503, Code.ServiceUnavailable],
  [504, Code.GatewayTimeout],
  [508, Code.HopLimitReached],
]);

/** The answer without its body. `takesBody` false: the body of the reply is not to be passed on. */
export interface CoapReply {
  readonly response: ServerResponse;
  readonly takesBody: boolean;
}

/** The answer of CoAP for a reply of HTTP. */
export function coapReply(reply: HttpReply, asked: Asked, tags: EntityTags): CoapReply {
  const { status, headers } = reply;
  const isGet = asked.method === 'GET';
  if (status >= 300 && status < 400 && !(status === 304 && isGet)) {
    // Not followed: the next server is one that nobody has named.
    return withoutBody(failure(Code.BadGateway, `the server sends elsewhere (${status})`));
  }
  if (status === 304) return withoutBody(validReply(headers, asked, tags));
  // RFC 7252 §10.1.3: also when it does not exist.
  if (asked.method === 'DELETE' && (status === 404 || status === 410)) {
    return withoutBody({ code: Code.Deleted });
  }
  if (status >= 400) return failed(reply, asked.nowMs);
  if (status === 206 || status < 200) {
    return withoutBody(failure(Code.BadGateway, `a status that was not asked for (${status})`));
  }
  return succeeded(reply, asked, tags);
}

function withoutBody(response: ServerResponse): CoapReply {
  return { response, takesBody: false };
}

/** RFC 7252 §5.9.1.3: 2.03 has the ETag that is still good. */
function validReply(headers: ResponseHeaders, { options, nowMs }: Asked, tags: EntityTags): ServerResponse {
  const given = options.all(OptionNumber.ETag);
  const etag = tags.ofCoap(headers('etag')) ?? (given.length === 1 ? given[0] : undefined);
  if (etag === undefined) return failure(Code.BadGateway, 'nothing says which representation is still good');
  return { code: Code.Valid, etag, maxAgeSeconds: maxAgeOf(headers, nowMs) };
}

function failed({ status, headers, hasBody }: HttpReply, nowMs: number): CoapReply {
  const code = failures.get(status) ?? (status < 500 ? Code.BadRequest : Code.InternalServerError);
  // RFC 8768 §4: what is in it are names of proxies, and of HTTP there are none.
  if (code === Code.HopLimitReached) return withoutBody({ code });
  const isForLater = code === Code.ServiceUnavailable || code === Code.TooManyRequests;
  const retry = isForLater ? retryAfter(headers('retry-after'), nowMs) : undefined;
  const response = { code, ...(retry !== undefined && { maxAgeSeconds: retry }) };
  // A page for people is no diagnostic (RFC 7252 §5.5.2).
  const format = hasBody ? replyFormat(headers) : undefined;
  if (format === 0 && (headers('content-type') ?? '').startsWith('text/plain'))
    return { response, takesBody: true };
  if (format === 50) return { response: { ...response, contentFormat: format }, takesBody: true };
  return withoutBody({ ...response, payload: `HTTP ${status}` });
}

function succeeded({ status, headers, hasBody }: HttpReply, asked: Asked, tags: EntityTags): CoapReply {
  const { method, options, nowMs } = asked;
  const contentFormat = hasBody ? replyFormat(headers) : undefined;
  const format = contentFormat === undefined ? {} : { contentFormat };
  const etag = tags.ofCoap(headers('etag'));
  const tagged = etag === undefined ? {} : { etag };
  if (method === 'GET') {
    const accept = options.uint(OptionNumber.Accept);
    if (accept !== undefined && contentFormat !== undefined && accept !== contentFormat) {
      return withoutBody(failure(Code.NotAcceptable, `the server has it as ${headers('content-type')}`));
    }
    const maxAgeSeconds = maxAgeOf(headers, nowMs);
    return { response: { code: Code.Content, ...format, ...tagged, maxAgeSeconds }, takesBody: true };
  }
  if (method === 'DELETE') return { response: { code: Code.Deleted, ...format }, takesBody: true };
  if (status !== 201) {
    return { response: { code: Code.Changed, ...format, ...tagged }, takesBody: true };
  }
  const location = locationOptions(headers('location'), asked);
  return { response: { code: Code.Created, ...format, ...tagged, options: location }, takesBody: true };
}

/** The content format of a body: bytes where its type has none. */
function replyFormat(headers: ResponseHeaders): number | undefined {
  const type = headers('content-type');
  if (type === undefined) return undefined;
  const [, number] = /^application\/coap-payload\s*;\s*cf="?(\d{1,5})"?\s*$/i.exec(type) ?? [];
  if (number !== undefined) return contentFormatOf(number) ?? octets;
  const coding = (headers('content-encoding') ?? 'identity').toLowerCase();
  if (coding === 'identity') return formatOf(type) ?? octets;
  return contentFormatOf(`${type}@${coding}`) ?? octets;
}

const octets = 42;

/** Whether the body is in a coding that the format of the answer says nothing of. */
export function isUnnamedCoding(headers: ResponseHeaders): boolean {
  const coding = (headers('content-encoding') ?? 'identity').toLowerCase();
  return coding !== 'identity' && contentFormatOf(`${headers('content-type')}@${coding}`) === undefined;
}

/**
 * For how long the reply is fresh, in seconds (RFC 9111 §4.2); 0 where nothing says so, or where no shared cache may keep it.
 *
 * RFC 7252 §10.1.1: Max-Age MUST NOT be more than that. Without it, it would be 60 seconds.
 */
export function maxAgeOf(headers: ResponseHeaders, nowMs: number): number {
  const control = directives(headers('cache-control'));
  if (['no-store', 'no-cache', 'private'].some((name) => control.has(name))) return 0;
  // RFC 9111 §5.1; a field that is wrong counts as old.
  const age = headers('age') === undefined ? 0 : wholeSeconds(headers('age'));
  if (age === undefined) return 0;
  const sender = Date.parse(headers('date') ?? '');
  const apparent = Number.isNaN(sender) ? 0 : Math.max(0, Math.floor((nowMs - sender) / 1000));
  const stated = control.get('s-maxage') ?? control.get('max-age');
  if (stated !== undefined) return bounded((wholeSeconds(stated) ?? 0) - Math.max(age, apparent));
  const expires = Date.parse(headers('expires') ?? '');
  if (Number.isNaN(expires)) return 0;
  const lifetime = Math.floor((expires - (Number.isNaN(sender) ? nowMs : sender)) / 1000);
  return bounded(lifetime - Math.max(age, apparent));
}

function directives(control: string | undefined): ReadonlyMap<string, string> {
  return new Map(
    (control ?? '').split(',').map((one) => {
      const [name = '', value = ''] = one.split('=');
      return [name.trim().toLowerCase(), value.trim().replaceAll('"', '')];
    }),
  );
}

function retryAfter(text: string | undefined, nowMs: number): number | undefined {
  const seconds = wholeSeconds(text);
  if (seconds !== undefined) return bounded(seconds);
  const date = Date.parse(text ?? '');
  return Number.isNaN(date) ? undefined : bounded(Math.ceil((date - nowMs) / 1000));
}

function wholeSeconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text.trim()) ? Number(text) : undefined;
}

/** Max-Age is a uint of 4 bytes. */
function bounded(seconds: number): number {
  return Math.min(Math.max(0, seconds), 0xffff_ffff);
}

/** Where something was created; none where that is at another server: Location-Path has no host (RFC 7252 §5.10.7). */
function locationOptions(location: string | undefined, { url }: Asked): readonly OptionInput[] {
  const target =
    location !== undefined && URL.canParse(location, url.href) ? new URL(location, url) : undefined;
  if (target === undefined || target.origin !== url.origin) return [];
  const segments = decodedParts(target.pathname.slice(1).split('/'));
  const query = target.search === '' ? [] : decodedParts(target.search.slice(1).split('&'));
  if (segments === undefined || query === undefined) return [];
  return [
    ...segments.map((value) => ({ number: OptionNumber.LocationPath, value })),
    ...query.map((value) => ({ number: OptionNumber.LocationQuery, value })),
  ];
}

/** Undefined where one is no text, or longer than an option may be. */
function decodedParts(parts: readonly string[]): readonly string[] | undefined {
  try {
    const decoded = parts.map(decodeURIComponent);
    return decoded.some((part) => Buffer.byteLength(part) > 255) ? undefined : decoded;
  } catch {
    return undefined;
  }
}

/** The URI of HTTP that a request to a forward-proxy names; undefined where it names none of HTTP. */
export function httpTarget(options: OptionReader): URL | { readonly problem: string } | undefined {
  const text = options.has(OptionNumber.ProxyUri) ? options.text(OptionNumber.ProxyUri) : schemeForm(options);
  if (text === undefined || !isHttpUri(text)) return undefined;
  if (!URL.canParse(text)) return { problem: 'the URI is none' };
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return { problem: 'the URI has user information' };
  if (url.hash !== '') return { problem: 'the URI has a fragment' };
  return url;
}

/** Whether a request to a forward-proxy is for HTTP. */
export function isForHttp(options: OptionReader): boolean {
  const named = options.text(OptionNumber.ProxyUri) ?? `${options.text(OptionNumber.ProxyScheme)}:`;
  return isHttpUri(named);
}

function schemeForm(options: OptionReader): string | undefined {
  const scheme = options.text(OptionNumber.ProxyScheme)?.toLowerCase();
  const host = options.text(OptionNumber.UriHost);
  if ((scheme !== 'http' && scheme !== 'https') || host === undefined) return undefined;
  const port = options.uint(OptionNumber.UriPort);
  const path = httpPath(options.texts(OptionNumber.UriPath), options.texts(OptionNumber.UriQuery));
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}${path}`;
}

/** Path and query of segments and arguments (RFC 7252 §6.5). */
export function httpPath(segments: readonly string[], query: readonly string[]): string {
  const path = `/${segments.map((segment) => percentEncoded(segment, '$&+,;=:@')).join('/')}`;
  if (query.length === 0) return path;
  return `${path}?${query.map((argument) => percentEncoded(argument, '$+,;=:@/?')).join('&')}`;
}

/** @param kept Characters that need no escape there (RFC 3986 §3.3, §3.4), besides those that never do. */
function percentEncoded(text: string, kept: string): string {
  return encodeURIComponent(text).replace(/%[0-9A-F]{2}/g, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return kept.includes(character) ? character : escaped;
  });
}
