/**
 * CoAP URIs: text to parts, parts to options of a request, and options back to text.
 *
 * RFC 7252 §6 (decomposing §6.4, composing §6.5), RFC 3986 for the syntax and reference resolution,
 * RFC 6874 for zone identifiers, RFC 5952 for IPv6 text. The schemes of RFC 8323 §8 are known by name and
 * default port only. Relative references and internationalized host names are not handled: a host name
 * outside of ASCII has to be given in its A-label form.
 *
 * @module
 */

import { type DecodeFault, isDecodeFault } from '../foundation/errors.ts';
import { formatIpv6, mappedIpv4, parseIpv4, parseIpv6 } from '../foundation/ip-literal.ts';
import { decodeUtf8, encodeUtf8 } from '../foundation/utf8.ts';
import { OptionNumber } from './option-registry.ts';
import { type OptionReader, OptionSet } from './option-set.ts';
import {
  argumentCharacters,
  type CharacterSet,
  percentDecode,
  percentEncode,
  regNameCharacters,
  segmentCharacters,
  zoneCharacters,
} from './percent-encoding.ts';

/** URI schemes of CoAP (RFC 7252 §6.1, §6.2; RFC 8323 §8). */
export type CoapScheme = 'coap' | 'coaps' | 'coap+tcp' | 'coaps+tcp' | 'coap+ws' | 'coaps+ws';

const defaultPorts: Readonly<Record<CoapScheme, number>> = {
  coap: 5683,
  coaps: 5684,
  'coap+tcp': 5683,
  'coaps+tcp': 5684,
  'coap+ws': 80,
  'coaps+ws': 443,
};

/** What carries the messages of a scheme. */
export type CoapTransport = 'udp' | 'tcp' | 'websocket';

/** What carries the messages of a scheme (RFC 7252 §6, RFC 8323 §8). */
export function transportOf(scheme: CoapScheme): CoapTransport {
  return scheme.endsWith('+tcp') ? 'tcp' : scheme.endsWith('+ws') ? 'websocket' : 'udp';
}

/** Whether a scheme wants DTLS or TLS. */
export function isSecureScheme(scheme: CoapScheme): boolean {
  return scheme.startsWith('coaps');
}

/** The scheme of a transport (RFC 8323 §8.7). */
export function schemeOf(transport: CoapTransport, isSecure: boolean): CoapScheme {
  const suffix = { udp: '', tcp: '+tcp', websocket: '+ws' } as const;
  return `${isSecure ? 'coaps' : 'coap'}${suffix[transport]}`;
}

/** The port that a URI without one means. */
export function defaultPort(scheme: CoapScheme): number {
  return defaultPorts[scheme];
}

/** Whether a scheme, in lower case, is one of CoAP. */
export function isCoapScheme(scheme: string): scheme is CoapScheme {
  return Object.hasOwn(defaultPorts, scheme);
}

/** A CoAP URI in parts, all percent-encodings resolved. */
export interface CoapUri {
  readonly scheme: CoapScheme;
  /**
   * IPv4 address; IPv6 address without brackets in the form of RFC 5952, with `%zone` when there is one;
   * or a host name, lower case.
   */
  readonly host: string;
  /** 0 … 65535; the default port of the scheme when the URI has none. */
  readonly port: number;
  /** Segments; `/` and an empty path have none. */
  readonly path: readonly string[];
  /** Arguments; none when there is no `?`. */
  readonly query: readonly string[];
  /** Whether `host` is an IP address, not a name. */
  readonly hostIsIpLiteral: boolean;
}

/** The address a request goes to, as far as URIs are concerned. */
export interface UriDestination {
  /** IP address without brackets. */
  readonly host: string;
  readonly port: number;
  /**
   * The host name that a request without Uri-Host is for there (RFC 8323 §8.5): the name that TLS asked for, or the Host
   * of a WebSocket handshake.
   */
  readonly name?: string | undefined;
}

/** Uri-Host, Uri-Path and Uri-Query have at most this many bytes (RFC 7252 §5.10, Table 4). */
const maxComponentLength = 255;

/**
 * Parse an absolute CoAP URI (RFC 7252 §6.4 steps 1 to 4, and the resolution of its parts).
 *
 * @returns the parts, or a fault with the offset of a character: another scheme, no host, user
 *          information, a fragment, a character that should be percent-encoded, a part that no option can
 *          carry (over 255 bytes, not UTF-8, an encoded dot segment).
 */
export function parseCoapUri(uri: string): CoapUri | DecodeFault {
  const schemeEnd = uri.indexOf(':');
  const scheme = uri.slice(0, Math.max(schemeEnd, 0)).toLowerCase();
  if (!isCoapScheme(scheme)) {
    return fault(0, `scheme is not one of ${Object.keys(defaultPorts).join(', ')}`);
  }
  // §6.4 step 4
  const fragment = uri.indexOf('#');
  if (fragment >= 0) return fault(fragment, 'a CoAP URI has no fragment');
  // §6.1: a missing authority makes the URI invalid.
  if (!uri.startsWith('//', schemeEnd + 1)) return fault(schemeEnd + 1, 'expected "//" and a host');

  const authorityStart = schemeEnd + 3;
  const authorityEnd = uri.slice(authorityStart).search(/[/?]/);
  const resourceStart = authorityEnd < 0 ? uri.length : authorityStart + authorityEnd;
  const authority = parseAuthority(uri.slice(authorityStart, resourceStart), authorityStart);
  if (isDecodeFault(authority)) return authority;
  const resource = parseResource(uri, resourceStart);
  if (isDecodeFault(resource)) return resource;

  return {
    scheme,
    host: authority.host,
    port: authority.port ?? defaultPort(scheme),
    ...resource,
    hostIsIpLiteral: authority.hostIsIpLiteral,
  };
}

/** What a URI names on its server, all percent-encodings resolved; see `CoapUri`. */
export type UriResource = Pick<CoapUri, 'path' | 'query'>;

/**
 * Parse the path and query of a URI (RFC 7252 §6.4 steps 8 and 9), which begin at `start`, behind the authority. The URI
 * has no fragment.
 */
export function parseResource(uri: string, start: number): UriResource | DecodeFault {
  const queryMark = uri.indexOf('?', start);
  const pathEnd = queryMark < 0 ? uri.length : queryMark;
  const path = parsePath(uri.slice(start, pathEnd), start);
  if (isDecodeFault(path)) return path;
  const query =
    queryMark < 0 ? [] : parseComponents(uri.slice(pathEnd + 1), pathEnd + 1, '&', argumentCharacters);
  return isDecodeFault(query) ? query : { path, query };
}

interface Authority {
  readonly host: string;
  readonly hostIsIpLiteral: boolean;
  readonly port: number | undefined;
}

function parseAuthority(text: string, offset: number): Authority | DecodeFault {
  const userEnd = text.indexOf('@');
  if (userEnd >= 0) return fault(offset + userEnd, 'a CoAP URI has no user information');
  const bracket = text.startsWith('[') ? text.indexOf(']') : -1;
  const hostEnd = bracket >= 0 ? bracket + 1 : text.includes(':') ? text.indexOf(':') : text.length;

  const portText = text.slice(hostEnd);
  if (portText !== '' && !/^:\d*$/.test(portText))
    return fault(offset + hostEnd, 'expected ":" and a port number');
  // §6.1: an empty port is the default port.
  const port = portText.length > 1 ? Number(portText.slice(1)) : undefined;
  if (port !== undefined && port > 0xffff) return fault(offset + hostEnd + 1, 'port is above 65535');

  const hostText = text.slice(0, hostEnd);
  // §6.1: the host must not be empty.
  if (hostText === '') return fault(offset, 'host is empty');
  if (bracket >= 0) {
    const host = parseIpLiteral(hostText.slice(1, -1));
    if (host === undefined) return fault(offset, `${hostText} is not an IPv6 address`);
    return { host, hostIsIpLiteral: true, port };
  }
  // §6.4 step 5: first to lower case, then percent-decoding.
  const host = percentDecode(
    hostText.replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
    regNameCharacters,
  );
  if (typeof host !== 'string') return fault(offset + host.offset, host.reason);
  if (encodeUtf8(host).length > maxComponentLength) return fault(offset, 'host is longer than 255 bytes');
  // Asked of the decoded host, so that a percent-encoded digit or dot cannot hide an address.
  return { host, hostIsIpLiteral: parseIpv4(host) !== undefined, port };
}

/** The inside of a pair of brackets: an IPv6 address, with a zone identifier behind `%25` (RFC 6874 §2). */
function parseIpLiteral(text: string): string | undefined {
  const percent = text.indexOf('%');
  const address = parseIpv6(percent < 0 ? text : text.slice(0, percent));
  if (address === undefined) return undefined;
  if (percent < 0) return formatIpv6(address);
  // RFC 6874 §3: a bare "%" is accepted where it cannot be a percent-encoding.
  const bare = !/^%[0-9a-fA-F]{2}/.test(text.slice(percent));
  if (!bare && !text.startsWith('%25', percent)) return undefined;
  const zone = percentDecode(text.slice(percent + (bare ? 1 : 3)), zoneCharacters);
  return typeof zone === 'string' && zone !== '' ? `${formatIpv6(address)}%${zone}` : undefined;
}

/** Segments of an absolute or empty path, dot segments removed (RFC 3986 §5.2.4) before percent-decoding. */
function parsePath(text: string, offset: number): string[] | DecodeFault {
  const resolved: { text: string; offset: number }[] = [];
  let start = offset + 1;
  const parts = text.split('/').slice(1);
  for (const [index, part] of parts.entries()) {
    if (part === '..') resolved.pop();
    if (part !== '.' && part !== '..') resolved.push({ text: part, offset: start });
    // A dot segment at the end leaves the slash before it.
    else if (index === parts.length - 1) resolved.push({ text: '', offset: start });
    start += part.length + 1;
  }
  // §6.4 step 8: an empty path, or a single slash, makes no option.
  if (resolved.length === 1 && resolved[0]?.text === '') return [];
  const segments: string[] = [];
  for (const part of resolved) {
    const segment = parseComponent(part.text, part.offset, segmentCharacters);
    if (typeof segment !== 'string') return segment;
    // §5.10.1: a Uri-Path option must not be "." or "..", which "%2E" would make it.
    if (isDotSegment(segment)) return fault(part.offset, 'a segment is a percent-encoded "." or ".."');
    segments.push(segment);
  }
  return segments;
}

function parseComponents(
  text: string,
  offset: number,
  separator: string,
  allowed: CharacterSet,
): string[] | DecodeFault {
  const components: string[] = [];
  let start = offset;
  for (const part of text.split(separator)) {
    const component = parseComponent(part, start, allowed);
    if (typeof component !== 'string') return component;
    components.push(component);
    start += part.length + 1;
  }
  return components;
}

function parseComponent(text: string, offset: number, allowed: CharacterSet): string | DecodeFault {
  const component = percentDecode(text, allowed);
  if (typeof component !== 'string') return fault(offset + component.offset, component.reason);
  if (encodeUtf8(component).length > maxComponentLength)
    return fault(offset, 'part is longer than 255 bytes');
  return component;
}

/**
 * The Uri-Host, Uri-Port, Uri-Path and Uri-Query options of a request for `uri` (RFC 7252 §6.4 steps 5 to 9).
 *
 * @param destination Where the request is sent; left out, it is what the URI itself says, so that a
 *                    Uri-Host is made for a host name only, and no Uri-Port.
 */
export function uriOptions(uri: Omit<CoapUri, 'scheme'>, destination: UriDestination = uri): OptionSet {
  const options = new OptionSet();
  const isDefaultHost = uri.hostIsIpLiteral
    ? sameAddress(uri.host, destination.host)
    : uri.host === destination.name;
  if (!isDefaultHost) {
    const isIpv6 = uri.hostIsIpLiteral && uri.host.includes(':');
    // A zone has a meaning on this host only, and is not sent (RFC 6874 §1).
    options.add(OptionNumber.UriHost, isIpv6 ? `[${splitZone(uri.host).address}]` : uri.host);
  }
  if (uri.port !== destination.port) options.add(OptionNumber.UriPort, uri.port);
  for (const segment of uri.path) options.add(OptionNumber.UriPath, segment);
  for (const argument of uri.query) options.add(OptionNumber.UriQuery, argument);
  return options;
}

/** Whether two texts are the same IP address; an IPv4-mapped IPv6 address is its IPv4 address. */
function sameAddress(a: string, b: string): boolean {
  return a === b || canonicalAddress(a) === canonicalAddress(b);
}

function canonicalAddress(text: string): string {
  const { address, zone } = splitZone(text);
  const bytes = parseIpv6(address);
  if (bytes === undefined) return text;
  const ipv4 = mappedIpv4(bytes);
  if (ipv4 !== undefined) return ipv4.join('.');
  return zone === undefined ? formatIpv6(bytes) : `${formatIpv6(bytes)}%${zone}`;
}

/** An IPv6 address and its zone identifier, which may hold any character, also `%`. */
function splitZone(text: string): { readonly address: string; readonly zone: string | undefined } {
  const percent = text.indexOf('%');
  if (percent < 0) return { address: text, zone: undefined };
  return { address: text.slice(0, percent), zone: text.slice(percent + 1) };
}

/**
 * The URI of a request from its options (RFC 7252 §6.5); in normal form (§6.3).
 *
 * @param scheme `coaps` when the request came over DTLS.
 * @param host Destination address of the request, without brackets; used when there is no Uri-Host.
 * @param port Destination port of the request; used when there is no Uri-Port.
 * @returns the URI, or a fault (offset 0) when an option has no legal value for it: a Uri-Host that is
 *          no host, a text that is not UTF-8, a dot segment (§5.10.1).
 */
export function composeUri(
  options: OptionReader,
  scheme: CoapScheme,
  host: string,
  port: number,
): string | DecodeFault {
  const hostText = options.has(OptionNumber.UriHost)
    ? composeHost(options.text(OptionNumber.UriHost))
    : bracketed(host);
  if (hostText === undefined) return fault(0, 'Uri-Host is not a host');
  const uriPort = options.uint(OptionNumber.UriPort) ?? port;
  if (uriPort > 0xffff) return fault(0, 'Uri-Port is above 65535');

  let resource = '';
  for (const value of options.all(OptionNumber.UriPath)) {
    const segment = decodeUtf8(value);
    if (segment === undefined) return fault(0, 'Uri-Path is not UTF-8');
    if (isDotSegment(segment)) return fault(0, 'Uri-Path is "." or ".."');
    resource += `/${percentEncode(segment, segmentCharacters)}`;
  }
  if (resource === '') resource = '/';
  let separator = '?';
  for (const value of options.all(OptionNumber.UriQuery)) {
    const argument = decodeUtf8(value);
    if (argument === undefined) return fault(0, 'Uri-Query is not UTF-8');
    resource += separator + percentEncode(argument, argumentCharacters);
    separator = '&';
  }
  return `${scheme}://${hostText}${uriPort === defaultPort(scheme) ? '' : `:${uriPort}`}${resource}`;
}

/** The text of a URI in normal form (RFC 7252 §6.3); `parseCoapUri` makes the same parts of it. */
export function formatCoapUri({ scheme, host, port, path, query, hostIsIpLiteral }: CoapUri): string {
  const authority = hostIsIpLiteral ? bracketed(host) : percentEncode(host, regNameCharacters);
  const portText = port === defaultPort(scheme) ? '' : `:${port}`;
  return `${scheme}://${authority}${portText}${formatResource({ path, query })}`;
}

/** Path and query as in a URI. */
export function formatResource({ path, query }: UriResource): string {
  const pathText = path.map((segment) => `/${percentEncode(segment, segmentCharacters)}`).join('');
  const queryText = query.map((argument) => percentEncode(argument, argumentCharacters)).join('&');
  return `${pathText || '/'}${query.length === 0 ? '' : `?${queryText}`}`;
}

/** Host and port as in a URI: IPv6 in brackets without its zone, the port only when it is not the default one. */
export function formatAuthority(host: string, port: number, scheme: CoapScheme): string {
  const name = host.includes(':') ? `[${splitZone(host).address}]` : host;
  return port === defaultPort(scheme) ? name : `${name}:${port}`;
}

/** The value of a Uri-Host option as part of a URI (§6.5 step 2), or `undefined` when it is no host. */
function composeHost(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (value.startsWith('[') && value.endsWith(']')) {
    const address = parseIpLiteral(value.slice(1, -1));
    return address === undefined ? undefined : bracketed(address);
  }
  let text = '';
  for (const character of value)
    text += character < '\x80' ? character : percentEncode(character, regNameCharacters);
  // What it decodes to is of no interest here, only that it is a reg-name of UTF-8 (RFC 3986 §3.2.2).
  return typeof percentDecode(text, regNameCharacters) === 'string' ? text : undefined;
}

/** A host for a URI: IPv6 addresses in their recommended form in brackets, the zone behind `%25`. */
function bracketed(host: string): string {
  const { address, zone } = splitZone(host);
  const bytes = parseIpv6(address);
  if (bytes === undefined) return host;
  return `[${formatIpv6(bytes)}${zone === undefined ? '' : `%25${percentEncode(zone, zoneCharacters)}`}]`;
}

function isDotSegment(segment: string): boolean {
  return segment === '.' || segment === '..';
}

function fault(offset: number, reason: string): DecodeFault {
  return { kind: 'decode-fault', layer: 'uri', offset, reason };
}
