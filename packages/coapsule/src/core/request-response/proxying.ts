/**
 * What a CoAP-to-CoAP proxy makes of requests and responses: whom a request is for, which options go on, which end at
 * this hop, and how many hops are left.
 *
 * RFC 7252 §5.7 and §5.10.2, RFC 8768. Pure rewriting: whether and where anything is sent is decided elsewhere, and
 * Max-Age gets its age from `response-cache.ts`. Block-wise options, Observe and Request-Tag end at each hop, since
 * each hop has bodies and observations of its own (RFC 7641 §5, RFC 7959 §2.10, RFC 9175 §3.5.2).
 *
 * @module
 */

import { Code, codeText } from '../coap/code.ts';
import { isUnsafe, OptionNumber, optionDefinition } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { decodeUint } from '../coap/option-value.ts';
import {
  type CoapUri,
  composeUri,
  defaultPort,
  formatCoapUri,
  isCoapScheme,
  parseCoapUri,
  type UriDestination,
  uriOptions,
} from '../coap/uri.ts';
import { isDecodeFault } from '../foundation/errors.ts';
import { decodeUtf8, encodeUtf8 } from '../foundation/utf8.ts';
import type { Content } from './exchange.ts';
import { targetOptions } from './resource-key.ts';

/** Whether a request names another server than the one it was sent to (RFC 7252 §5.7.2). */
export function isForwardRequest(options: OptionReader): boolean {
  return options.has(OptionNumber.ProxyUri) || options.has(OptionNumber.ProxyScheme);
}

/** Whom a request to a forward-proxy is for. */
export type ForwardTarget =
  | { readonly kind: 'target'; readonly uri: CoapUri }
  /** No URI that a CoAP-to-CoAP proxy can use: another scheme. */
  | { readonly kind: 'foreign'; readonly scheme: string }
  | { readonly kind: 'malformed'; readonly reason: string };

/**
 * The URI that a request to a forward-proxy asks for (RFC 7252 §5.10.2). Proxy-Uri goes before the Uri-* options.
 *
 * Deviation: without Uri-Port the port is the default one of the scheme in Proxy-Scheme. §5.10.1 has the port that
 * the request was sent to; but clients leave Uri-Port out for the default port whichever port their proxy has, and
 * both readings agree for a proxy at port 5683. A request without Uri-Host is for the proxy itself, at its own port.
 *
 * @param own IP address and port that the request was sent to.
 */
export function forwardTarget(options: OptionReader, own: UriDestination): ForwardTarget {
  const text = options.has(OptionNumber.ProxyUri)
    ? options.text(OptionNumber.ProxyUri)
    : schemeForm(options, own);
  if (text === undefined) return { kind: 'malformed', reason: 'no URI can be made of the options' };
  const scheme = text.slice(0, Math.max(text.indexOf(':'), 0)).toLowerCase();
  if (/^[a-z][a-z0-9+.-]*$/.test(scheme) && !isCoapScheme(scheme)) return { kind: 'foreign', scheme };
  const uri = parseCoapUri(text);
  if (isDecodeFault(uri)) return { kind: 'malformed', reason: uri.reason };
  return uri.port === 0 ? { kind: 'malformed', reason: 'port is 0' } : { kind: 'target', uri };
}

function schemeForm(options: OptionReader, own: UriDestination): string | undefined {
  const scheme = options.text(OptionNumber.ProxyScheme)?.toLowerCase();
  if (scheme === undefined) return undefined;
  // Enough for the caller to name the scheme.
  if (!isCoapScheme(scheme)) return `${scheme}:`;
  const port = options.has(OptionNumber.UriHost) ? defaultPort(scheme) : own.port;
  const uri = composeUri(options, scheme, own.host, port);
  return isDecodeFault(uri) ? undefined : uri;
}

/**
 * Proxy-Uri or Proxy-Scheme form of a request for `uri` (RFC 7252 §5.7.2, §6.4), instead of its Uri-* options.
 *
 * @param form Without it Proxy-Uri, unless the URI is longer than that option may be (1034 bytes).
 * @param proxyPort Where the proxy listens; the default of Uri-Port.
 */
export function proxyRequestOptions(
  uri: CoapUri,
  proxyPort: number,
  form?: 'Proxy-Uri' | 'Proxy-Scheme',
): OptionSet {
  // A zone means something on this host only (RFC 6874 §1).
  const host = uri.hostIsIpLiteral ? uri.host.replace(/%.*$/s, '') : uri.host;
  const text = formatCoapUri({ ...uri, host });
  const { maxLength = 0 } = optionDefinition(OptionNumber.ProxyUri) ?? {};
  if (form !== 'Proxy-Scheme' && encodeUtf8(text).length <= maxLength)
    return new OptionSet().add(OptionNumber.ProxyUri, text);
  const split = uriOptions(uri, nowhere);
  // The port is left out only where all readings of §5.10.1 agree what is meant.
  const usual = defaultPort(uri.scheme);
  if (uri.port === usual && (proxyPort === usual || proxyPort === defaultPort('coap')))
    split.delete(OptionNumber.UriPort);
  return split.add(OptionNumber.ProxyScheme, uri.scheme);
}

/** The options of a request that names the proxy itself: those of a request that was sent to it (RFC 7252 §5.7.2). */
export function localRequestOptions(options: OptionReader, uri: CoapUri): OptionSet {
  const local = OptionSet.from(options.entries());
  for (const number of targetOptions) local.delete(number);
  for (const { number, value } of uriOptions(uri, nowhere).entries()) local.add(number, value);
  return local;
}

/** No destination: all parts of a URI are options then. */
const nowhere: UriDestination = { host: '', port: 0 };

/** What an exhausted or illegal Hop-Limit is, or the value to send on. */
export type HopLimit =
  | { readonly kind: 'forward'; readonly value: number }
  /** RFC 8768 §3: not forwarded, answered 5.08. */
  | { readonly kind: 'exhausted' };

/**
 * The Hop-Limit for the next hop (RFC 8768 §3): what came minus 1, or `initial` where none came.
 *
 * @param initial 1 … 255.
 */
export function nextHopLimit(options: OptionReader, initial: number): HopLimit {
  const received = options.uint(OptionNumber.HopLimit);
  if (received === undefined) return { kind: 'forward', value: initial };
  return received <= 1 ? { kind: 'exhausted' } : { kind: 'forward', value: received - 1 };
}

/** Whether there is a Hop-Limit of 0 or above 255, which is answered 4.00 (RFC 8768 §3). */
export function hasIllegalHopLimit(options: OptionReader): boolean {
  const value = options.first(OptionNumber.HopLimit);
  if (value === undefined) return false;
  const hops = decodeUint(value);
  return hops === undefined || hops === 0 || hops > 255;
}

/** Safe to forward, but each hop has its own. */
const hopOptions: ReadonlySet<number> = new Set([
  OptionNumber.HopLimit,
  OptionNumber.Size1,
  OptionNumber.Size2,
  OptionNumber.RequestTag,
]);

/**
 * The options of a request that go on to the next hop, without those for its URI.
 *
 * Options that are safe to forward go on, known or not (RFC 7252 §5.7.1). Unsafe ones that are recognized are
 * processed here; those that are not must have been answered 4.02 before (`option-check.ts`), and never go on.
 *
 * @param hopLimit From `nextHopLimit`.
 */
export function forwardedRequestOptions(options: OptionReader, hopLimit: number): OptionSet {
  const forwarded = new OptionSet();
  for (const { number, value } of options.entries()) {
    if (!isUnsafe(number) && !hopOptions.has(number)) forwarded.add(number, value);
  }
  return forwarded.set(OptionNumber.HopLimit, hopLimit);
}

/** Unsafe options that a proxy recognizes in responses; the others lead to 5.02 (RFC 7252 §5.7.1). */
const unsafeInResponses: ReadonlySet<number> = new Set([
  OptionNumber.MaxAge,
  OptionNumber.Observe,
  OptionNumber.Block1,
  OptionNumber.Block2,
]);

/** A response for the client, or why there is none. */
export type ForwardedResponse =
  | { readonly kind: 'response'; readonly response: Content }
  /** RFC 7252 §5.7.1: 5.02. */
  | { readonly kind: 'unusable'; readonly reason: string };

/** The response of the next hop as it goes on: without what belongs to that hop; Max-Age as it came. */
export function forwardedResponse({ code, options, payload }: Content): ForwardedResponse {
  // RFC 7959 §2.9.1: only an answer to a block of a request, which the client side has dealt with.
  if (code === Code.Continue)
    return { kind: 'unusable', reason: `${codeText(code)} answers no whole request` };
  const forwarded = new OptionSet();
  for (const { number, value } of options.entries()) {
    if (isUnsafe(number)) {
      if (!unsafeInResponses.has(number)) {
        return { kind: 'unusable', reason: `option ${number} is not safe to forward` };
      }
      if (number === OptionNumber.MaxAge) forwarded.add(number, value);
    } else if (number !== OptionNumber.Size2) {
      forwarded.add(number, value);
    }
  }
  return { kind: 'response', response: { code, options: forwarded, payload } };
}

/** Where a diagnostic payload stops growing: one datagram on every path, with room for options (RFC 7252 §4.6). */
const maxDiagnosticBytes = 1024;

/**
 * A 5.08 for the previous hop with this proxy's name before the others (RFC 8768 §4).
 *
 * @param name Without a space.
 * @returns `undefined` when the name is among them already: the request went round through this proxy, and the
 *          message must not be forwarded.
 */
export function relayedHopLimitReached(response: Content, name: string): Content | undefined {
  const text = decodeUtf8(response.payload);
  if (text?.split(' ').includes(name)) return undefined;
  const payload = encodeUtf8(text === undefined || text === '' ? name : `${name} ${text}`);
  // The diagnostic payload may be in another format (RFC 9290), and must not outgrow a datagram.
  const isText = text !== undefined && !response.options.has(OptionNumber.ContentFormat);
  return isText && payload.length <= maxDiagnosticBytes ? { ...response, payload } : response;
}
