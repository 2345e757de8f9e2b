/**
 * Whom an assistant may speak to: this machine, and what the user named.
 *
 * @module
 */

import { BlockList, isIP } from 'node:net';
import { type TargetUri, targetUri } from '../cli/target-uri.ts';
import { parseUriPattern, type UriPattern } from '../cli/uri-pattern.ts';

/** Networks that `private` stands for (RFC 1918, RFC 4193, RFC 3927, RFC 4291 §2.5.6), besides loopback. */
const privateNetworks = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
];
const loopback = ['127.0.0.0/8', '::1/128'];

/** See the module comment. */
export class AllowedTargets {
  readonly #networks = new BlockList();
  readonly #patterns: UriPattern[] = [];

  /** Loopback alone. */
  constructor() {
    for (const network of loopback) this.#addNetwork(network);
  }

  /**
   * Adds what `--allow` names: a URI pattern such as `coaps://*.lab.example/*`, a network such as `192.168.7.0/24`, an
   * address, or `private`.
   *
   * @returns what is wrong with it; undefined when it was added.
   */
  add(text: string): string | undefined {
    if (text === 'private') {
      for (const network of privateNetworks) this.#addNetwork(network);
      return undefined;
    }
    if (!text.includes('://') && text !== '*') {
      return this.#addNetwork(text)
        ? undefined
        : 'it is no network, no address, no URI pattern and not "private"';
    }
    const pattern = parseUriPattern(text);
    if (typeof pattern === 'string') return pattern;
    this.#patterns.push(pattern);
    return undefined;
  }

  /** Whether it may be spoken to. Networks count for literal addresses and `localhost`; names are allowed by patterns. */
  allows(uri: TargetUri): boolean {
    if (!hasDotSegment(uri.text) && this.#patterns.some((pattern) => pattern.matches(uri.text))) return true;
    if (uri.line !== undefined || uri.isGroup) return false;
    const host = uri.host === 'localhost' ? '127.0.0.1' : uri.host.replace(/%.*$/, '');
    const version = isIP(host);
    return version !== 0 && this.#networks.check(host, version === 6 ? 'ipv6' : 'ipv4');
  }

  /** Whether the list of its resources may be read: it tells of all paths. */
  allowsLinks({ text }: TargetUri): boolean {
    const [server = ''] = /^[^:]*:\/\/[^/?]*/.exec(text) ?? [];
    return this.allows(targetUri(`${server}/.well-known/core`));
  }

  /** Whether every port and transport of the host may be spoken to. */
  allowsWholeHost(uri: TargetUri): boolean {
    if (uri.line !== undefined) return false;
    const host = uri.host.includes(':') ? `[${uri.host.replace('%', '%25')}]` : uri.host;
    // A port that nobody names: allowed only where all are.
    return ['coap', 'coaps', 'coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws'].every((scheme) =>
      this.allows(targetUri(`${scheme}://${host}:1/`)),
    );
  }

  #addNetwork(text: string): boolean {
    const [address = '', prefix] = text.split('/');
    const version = isIP(address);
    if (version === 0) return false;
    const bits = version === 6 ? 128 : 32;
    const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    if (!(length >= 0 && length <= bits)) return false;
    this.#networks.addSubnet(address, length, version === 6 ? 'ipv6' : 'ipv4');
    return true;
  }
}

/** RFC 7252 §6.4 (2), RFC 3986 §5.2.4: `..` takes the segment before it away, so that the path asked for is another than the one written. */
function hasDotSegment(uri: string): boolean {
  return /\/\.{1,2}(?:[/?]|$)/.test(uri);
}
