/**
 * Names for the target of a request: as a key that tells block-wise operations apart, and as readable text
 * for observers.
 *
 * RFC 7252 §5.6 (Cache-Key), RFC 7959 §2.4 and §2.5 ("the same URI"), RFC 9175 §3.3 (Request-Tag).
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import type { OptionReader } from '../coap/option-set.ts';
import { byteKey } from './byte-key.ts';
import type { PeerKey } from './exchange.ts';

/** The options that say what a request is for (RFC 7252 §5.10.1, §5.10.2). */
export const targetOptions: readonly number[] = [
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
  OptionNumber.ProxyUri,
  OptionNumber.ProxyScheme,
];

const bodyOptions: readonly number[] = [
  ...targetOptions,
  OptionNumber.RequestTag,
  // Part of the Cache-Key (RFC 8613 §2): it alone tells the requests of one client through a proxy apart.
  OptionNumber.Oscore,
];

/**
 * The key of a request body under assembly: peer, method, URI options, Request-Tag and OSCORE. The token is no part
 * of it: a client may use a new one for each block. Content-Format neither: a change of it is an error to
 * be seen (RFC 7959 §2.3), not another body.
 */
export function requestBodyKey(peer: PeerKey, code: Code, options: OptionReader): string {
  return keyOf(peer, code, options, bodyOptions);
}

const representationOptions: readonly number[] = [...bodyOptions, OptionNumber.Accept];

/** The key of a response body kept for later blocks: as for a request body, and Accept. */
export function responseBodyKey(peer: PeerKey, code: Code, options: OptionReader): string {
  return keyOf(peer, code, options, representationOptions);
}

function keyOf(peer: PeerKey, code: Code, options: OptionReader, numbers: readonly number[]): string {
  const parts = [`${peer}\n${code}`];
  for (const number of numbers) {
    // Number and length before each value: no two lists of options give one key.
    for (const value of options.all(number)) parts.push(`\n${number},${value.length}:`, byteKey(value));
  }
  // Joined, it is one flat string; see `byte-key.ts`.
  return parts.join('');
}

/**
 * The resource as text: `/path`, or `/path?query` with all queries joined by `&`.
 *
 * In a segment `/`, `?` and `%` are escaped as in a URI, so that the path and its segments can be told from the
 * text: `a?b` as a segment is `/a%3Fb`, and no query. What a request to a forward-proxy is for has no such name, as it
 * is no resource of ours: `proxy:` and its URI.
 */
export function resourceName(options: OptionReader): string {
  if (options.has(OptionNumber.ProxyUri)) return `proxy:${options.text(OptionNumber.ProxyUri)}`;
  if (options.has(OptionNumber.ProxyScheme)) {
    return `proxy:${options.text(OptionNumber.ProxyScheme)}://${options.text(OptionNumber.UriHost)}${ownName(options)}`;
  }
  return ownName(options);
}

function ownName(options: OptionReader): string {
  const query = options.texts(OptionNumber.UriQuery);
  const path = pathName(options.texts(OptionNumber.UriPath));
  return query.length === 0 ? path : `${path}?${query.join('&')}`;
}

/** The path of a resource name, from its segments. */
export function pathName(segments: readonly string[]): string {
  let path = '';
  for (const segment of segments) path += `/${escaped(segment)}`;
  return path === '' ? '/' : path;
}

function escaped(segment: string): string {
  // Few have any: looking at each character is several times as fast as the regular expression for the usual short ones.
  for (let i = 0; i < segment.length; i++) {
    const unit = segment.charCodeAt(i);
    if (unit === 0x25 || unit === 0x2f || unit === 0x3f) return segment.replace(/[%/?]/g, encodeURIComponent);
  }
  return segment;
}

/** The path of a resource name. */
export function pathOf(resource: string): string {
  const end = resource.indexOf('?');
  const path = end < 0 ? resource : resource.slice(0, end);
  return path.startsWith('/') ? path : `/${path}`;
}

/** Whether a change of `changed` is one of `resource`: a path means it with every query, `path?query` exactly it. */
export function isMeant(changed: string, resource: string): boolean {
  if (pathOf(changed) !== pathOf(resource)) return false;
  return !changed.includes('?') || changed === resource || `/${changed}` === resource;
}
