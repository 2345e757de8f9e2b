/**
 * Between HTTP and CoAP (RFC 8075), as pure functions: target URIs, methods, media types, headers and codes.
 */
import { Code, type Method } from 'coapsule';
import { contentFormatName, contentFormatOf, isDecodeFault, parseCoapUri } from 'coapsule/message';

/** What a request for CoAP says besides method and URI. */
export interface MappedRequest {
  readonly method: Method;
  readonly contentFormat: number | undefined;
  readonly accept: number | undefined;
  readonly etag: readonly Uint8Array[];
  readonly ifMatch: readonly Uint8Array[];
  readonly ifNoneMatch: boolean;
}

/** A request that has no meaning in CoAP. */
export interface MappingFault {
  readonly status: 400 | 405 | 415 | 501;
  readonly reason: string;
}

const methods: Readonly<Record<string, Method>> = {
  GET: 'GET',
  HEAD: 'GET',
  POST: 'POST',
  PUT: 'PUT',
  DELETE: 'DELETE',
  PATCH: 'PATCH',
};

/** Headers by their names in small letters. */
export type HttpHeaders = (name: string) => string | undefined;

/** What an HTTP request asks for. */
export function mappedRequest(
  httpMethod: string,
  hasBody: boolean,
  header: HttpHeaders,
): MappedRequest | MappingFault {
  const method = methods[httpMethod];
  if (method === undefined) return { status: 501, reason: `${httpMethod} has no counterpart in CoAP` };
  const type = header('content-type');
  const coding = header('content-encoding') ?? 'identity';
  const contentFormat = hasBody && type !== undefined ? formatOf(type) : undefined;
  // RFC 8075 §6.1: a combination that cannot be mapped SHALL elicit a 415.
  if (hasBody && (coding !== 'identity' || (type !== undefined && contentFormat === undefined))) {
    const what = coding === 'identity' ? `${type}` : `${type} in ${coding}`;
    return { status: 415, reason: `${what} has no content format of CoAP` };
  }
  const ifNoneMatch = header('if-none-match');
  const isWrite = method !== 'GET';
  const known = entityTags(ifNoneMatch);
  const expected = entityTags(header('if-match'));
  if (known === undefined || expected === undefined) {
    return { status: 400, reason: 'an entity tag is not one that came from here' };
  }
  if (isWrite && known.length > 0) {
    return { status: 400, reason: 'CoAP has If-None-Match for "*" alone (RFC 7252 §5.10.8.2)' };
  }
  return {
    method,
    contentFormat,
    accept: acceptedFormat(header('accept')),
    etag: isWrite ? [] : known,
    ifMatch: header('if-match')?.trim() === '*' ? [new Uint8Array()] : expected,
    ifNoneMatch: isWrite && ifNoneMatch?.trim() === '*',
  };
}

/** More generalised types that CoAP has formats for (RFC 8075 §6.3), from top to bottom. */
const generalised: readonly (readonly [RegExp, string])[] = [
  [/^application\/.*\+xml$/, 'application/xml'],
  [/^application\/.*\+json$/, 'application/json'],
  [/^application\/.*\+cbor$/, 'application/cbor'],
  [/^text\/xml$/, 'application/xml'],
  [/^text\//, 'text/plain; charset=utf-8'],
];

/** The content format of a media type; undefined when there is none, also not for its generalisation. */
export function formatOf(type: string): number | undefined {
  const [essence = '', ...parameters] = type.split(';').map((part) => part.trim().toLowerCase());
  // RFC 8075 §6.2: SHOULD NOT be forwarded unless an operator wants that.
  if (essence === 'application/coap-payload') return undefined;
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length);
  if (charset !== undefined && !['utf-8', '"utf-8"', 'us-ascii'].includes(charset)) return undefined;
  const others = parameters.filter((parameter) => !parameter.startsWith('charset='));
  const exact = contentFormatOf([essence, ...others].join('; ')) ?? contentFormatOf(essence);
  if (exact !== undefined) return exact;
  if (essence === 'text/plain') return 0;
  if (essence === 'application/x-www-form-urlencoded') return 42;
  const [, general] = generalised.find(([pattern]) => pattern.test(essence)) ?? [];
  return general === undefined ? undefined : contentFormatOf(general);
}

/** RFC 8075 §6.1: one media type becomes an Accept; anything else, and what has no format, is not said. */
function acceptedFormat(accept: string | undefined): number | undefined {
  if (accept === undefined || accept.includes(',') || accept.includes('*')) return undefined;
  const [type = ''] = accept.split(/;\s*q=/i);
  return type.trim().toLowerCase() === 'text/event-stream' ? undefined : formatOf(type);
}

/** The media type of a content format. */
export function mediaTypeOf(contentFormat: number): string {
  // RFC 8075 §6.2.
  if (contentFormat === 0) return 'text/plain; charset=utf-8';
  return contentFormatName(contentFormat) ?? `application/coap-payload;cf=${contentFormat}`;
}

/** An ETag of CoAP as one of HTTP: its hexadecimal digits in quotes. */
function entityTag(etag: Uint8Array): string {
  return `"${Buffer.from(etag).toString('hex')}"`;
}

/** ETags of CoAP from If-Match or If-None-Match; undefined when one of them cannot have come from here. */
function entityTags(header: string | undefined): readonly Uint8Array[] | undefined {
  if (header === undefined || header.trim() === '*') return [];
  const tags: Uint8Array[] = [];
  for (const tag of header.split(',')) {
    const [, digits = ''] = /^(?:W\/)?"((?:[0-9a-f]{2}){1,8})"$/i.exec(tag.trim()) ?? [];
    if (digits === '') return undefined;
    tags.push(new Uint8Array(Buffer.from(digits, 'hex')));
  }
  return tags;
}

/** HTTP status of each response code (RFC 8075 §7, Table 2; 4.29 by RFC 8516 §4, 4.22 and 4.09 by RFC 8132 §4). */
const statuses: ReadonlyMap<Code, number> = new Map<Code, number>([
  [Code.Created, 201],
  [Code.Deleted, 204],
  [Code.Valid, 304],
  [Code.Changed, 204],
  [Code.Content, 200],
  [Code.BadRequest, 400],
  // Note 5: 401 would need a WWW-Authenticate.
  [Code.Unauthorized, 403],
  // Note 6.
  [Code.BadOption, 400],
  [Code.Forbidden, 403],
  [Code.NotFound, 404],
  // Note 7: 405 would need the methods that there are.
  [Code.MethodNotAllowed, 400],
  [Code.NotAcceptable, 406],
  [Code.Conflict, 409],
  [Code.PreconditionFailed, 412],
  [Code.RequestEntityTooLarge, 413],
  [Code.UnsupportedContentFormat, 415],
  [Code.UnprocessableEntity, 422],
  [Code.TooManyRequests, 429],
  [Code.InternalServerError, 500],
  [Code.NotImplemented, 501],
  [Code.BadGateway, 502],
  [Code.ServiceUnavailable, 503],
  [Code.GatewayTimeout, 504],
  [Code.ProxyingNotSupported, 502],
  // RFC 8768 §5.
  [Code.HopLimitReached, 508],
]);

/** What of a CoAP response becomes HTTP. */
export interface CoapAnswer {
  readonly code: Code;
  readonly payload: Uint8Array;
  readonly contentFormat: number | undefined;
  /** Undefined where it says nothing. */
  readonly maxAgeSeconds: number | undefined;
  readonly etag: Uint8Array | undefined;
  /** Of a created resource. */
  readonly location: string | undefined;
  /** Whether the request had options that were made of headers. */
  readonly isMapped: boolean;
}

/** An HTTP response. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/**
 * The HTTP response for one of CoAP.
 *
 * @param httpMethod HEAD gets no body.
 */
export function httpAnswer(httpMethod: string, answer: CoapAnswer): HttpAnswer {
  const { code, payload, contentFormat, maxAgeSeconds, etag, location, isMapped } = answer;
  // Note 6: where no header can be the cause of a 4.02, it MUST be 500.
  const isOurs = code === Code.BadOption && !isMapped;
  const mapped = isOurs ? 500 : (statuses.get(code) ?? (code >> 5 === 4 ? 400 : 502));
  // Note 2: a payload comes with 200.
  const status = mapped === 204 && payload.length > 0 ? 200 : mapped;
  const isError = code >> 5 > 2;
  const hasBody = payload.length > 0 && status !== 204 && status !== 304;
  const headers: Record<string, string> = {};
  // §6.6: diagnostic payloads are UTF-8 text.
  if (hasBody) {
    headers['content-type'] =
      contentFormat === undefined
        ? isError
          ? 'text/plain; charset=utf-8'
          : 'application/octet-stream'
        : mediaTypeOf(contentFormat);
    // What a device has chosen is not to be taken for a page of the gateway.
    headers['x-content-type-options'] = 'nosniff';
    headers['content-security-policy'] = 'sandbox';
  }
  if (code === Code.ServiceUnavailable || code === Code.TooManyRequests) {
    if (maxAgeSeconds !== undefined) headers['retry-after'] = String(maxAgeSeconds); // Note 8
  } else if (code === Code.Content || code === Code.Valid) {
    headers['cache-control'] = `max-age=${maxAgeSeconds ?? 60}`; // RFC 7252 §5.10.5
  }
  if (etag !== undefined && !isError) headers['etag'] = entityTag(etag);
  if (location !== undefined) headers['location'] = location;
  return { status, headers, body: hasBody && httpMethod !== 'HEAD' ? payload : new Uint8Array() };
}

/** Reads the target of a default mapping (RFC 8075 §5.3): what stands behind `/hc/`, with its query. */
export function targetUri(rest: string): string | MappingFault {
  // §5.3.2: the brackets of an IPv6 address are percent-encoded in HTTP, and reverted here.
  const text = rest
    .replace(/^(coaps?(?:\+tcp|\+ws)?:\/{1,2})%5B([0-9a-f:.]+)%5D/i, '$1[$2]')
    // Some proxies and libraries merge the two slashes into one.
    .replace(/^([a-z+]+:)\/(?!\/)/i, '$1//');
  const uri = parseCoapUri(text);
  if (isDecodeFault(uri)) {
    // §5.3.1: without a scheme it MUST elicit a client error.
    return {
      status: 400,
      reason: `behind /hc/ there is no CoAP URI: ${uri.reason} (at character ${uri.offset + 1})`,
    };
  }
  return text;
}
