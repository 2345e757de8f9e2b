/**
 * Patterns of URIs for credentials: `*` in host, port or path, each matched for itself.
 *
 * A credential must not reach a host that its owner did not mean. So a `*` never crosses from one part of a URI into
 * another, and in a host it stands for all of it (`*`) or for the first labels of a name (`*.example.com`); parts of
 * labels and of addresses (`server*`, `10.0.0.*`) are refused, since other hosts can be called so.
 *
 * @module
 */

import { shortDevice } from '../server/serial-option.ts';

/** A pattern that was understood. */
export interface UriPattern {
  matches(uri: string): boolean;
  /** Characters beside `*`: more of them win. */
  readonly specificity: number;
}

interface UriParts {
  readonly scheme: string;
  /** Lower case; IPv6 addresses with their brackets. */
  readonly host: string;
  readonly port: string;
  /** Path and query. */
  readonly rest: string;
}

const everything: UriPattern = { matches: () => true, specificity: 0 };

/** Reads a pattern. @returns it, or a sentence that says what is wrong. */
export function parseUriPattern(text: string): UriPattern | string {
  if (text === '*') return everything;
  const parts = partsOf(text);
  if (parts === undefined) return 'a pattern is * or SCHEME://HOST[:PORT]/PATH, such as coaps://server/*';
  const { scheme, host, port, rest } = parts;
  if (scheme.includes('*')) return 'a scheme has no *';
  if (port.includes('*') && port !== '*') return 'in a port only * alone is possible';
  const suffix = host.startsWith('*.') ? host.slice(1) : undefined;
  if (host !== '*' && (suffix ?? host).includes('*')) {
    return 'in a host only * alone, or *. before a name (*.example.com), is possible: other hosts could be called so';
  }
  // Neither an IPv4 address nor a name that looks like the end of one.
  if (suffix !== undefined && /(?:^|\.)(?:\d+|0x[0-9a-f]*|)$/.test(suffix.replace(/\.$/, ''))) {
    return 'a * cannot stand for a part of an IP address';
  }
  const anyRest = rest.split('*').map(escaped).join('.*');
  const restExpression = new RegExp(`^${anyRest}$`, 's');
  return {
    matches(uri) {
      const asked = partsOf(uri);
      if (asked === undefined) return false;
      return (
        asked.scheme === scheme &&
        (host === '*' || asked.host === host || (suffix !== undefined && isBelow(asked.host, suffix))) &&
        (port === '*' || asked.port === port) &&
        restExpression.test(asked.rest)
      );
    },
    specificity: `${scheme}://${host}:${port}${rest}`.replaceAll('*', '').length,
  };
}

/**
 * Scheme and host in lower case, the port always there, a path of at least `/` (RFC 7252 §6.3). The device of a serial line
 * keeps its case, without its percent-encodings and /dev/.
 */
function partsOf(uri: string): UriParts | undefined {
  const match = /^([^:/?#]+):\/\/(\[[^\]]*\]|[^:/?#@[\]]*)(?::([\d*]*))?([/?].*)?$/s.exec(uri);
  if (match === null) return undefined;
  const scheme = (match[1] as string).toLowerCase();
  const isLine = scheme.endsWith('+serial');
  const host = isLine ? decoded(match[2] as string) : (match[2] as string).toLowerCase();
  const defaultPort = isLine
    ? '115200'
    : (defaultPorts[scheme] ?? (scheme.startsWith('coaps') ? '5684' : '5683'));
  // A whole authority of * has any port, and without a path any path.
  const isAnyAuthority = host === '*' && match[3] === undefined;
  const port = isAnyAuthority ? '*' : match[3] || defaultPort;
  const rest = match[4] ?? (isAnyAuthority ? '*' : '/');
  return { scheme, host, port, rest: rest.startsWith('?') ? `/${rest}` : rest };
}

const defaultPorts: Readonly<Record<string, string>> = { http: '80', https: '443' };

function decoded(device: string): string {
  try {
    return shortDevice(decodeURIComponent(device));
  } catch {
    return device;
  }
}

function isBelow(host: string, suffix: string): boolean {
  return host.length > suffix.length && host.endsWith(suffix);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
