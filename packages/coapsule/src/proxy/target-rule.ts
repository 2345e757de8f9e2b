/**
 * Which servers a forward-proxy may ask: patterns of URIs, and the addresses that these may have.
 *
 * @module
 */

import type { ClientOptions } from '../api/client-options.ts';
import { expectKnownOptions, type OptionNames } from '../api/known-options.ts';
import { requestRoute } from '../api/request-route.ts';
import { type CoapUri, parseCoapUri } from '../core/coap/uri.ts';
import { ApiMisuseError, isDecodeFault } from '../core/foundation/errors.ts';
import { AllowedAddresses } from './allowed-addresses.ts';
import { expectClientOptions, Upstream } from './upstream.ts';

/** Servers that a forward-proxy asks for its clients. */
export interface TargetRule {
  /**
   * `SCHEME://HOST[:PORT][/PATH]`. HOST is a name or address, `*.example` for all names below it, or `*`. Without PORT it
   * is the default one, `*` any. Without PATH it is any, `/a` exactly that, `/a/*` all below. Queries do not matter.
   */
  readonly uri: string;
  /**
   * Networks and addresses that the servers may have although they are not of the public Internet: `10.1.0.0/16`,
   * `fd00::/8`, `127.0.0.1`. Without it a server with any private, local or reserved address, or one of this machine, is
   * not asked, whatever name it goes by.
   */
  readonly networks?: readonly string[];
  /** As whom the servers are asked and how they are known; and `proxy`, when another proxy is to ask them. */
  readonly client?: ClientOptions;
}

const ruleNames: OptionNames<Required<TargetRule>> = { uri: true, networks: true, client: true };

/** A rule that was understood. */
export class TargetPolicy {
  readonly upstream: Upstream;
  readonly #pattern: Pattern;
  readonly #addresses: AllowedAddresses;
  readonly #viaProxy: boolean;

  /** @throws ApiMisuseError for a pattern or network that is none. */
  constructor(rule: TargetRule, index: number) {
    const where = `forwardProxy: targets[${index}]`;
    expectKnownOptions(where, rule, ruleNames);
    const { client = {} } = rule;
    expectClientOptions(`${where}: client`, client);
    this.#pattern = patternOf(where, rule.uri);
    // A scheme that cannot be asked for, or not through that proxy, is told now and not by 5.00.
    requestRoute(`${rule.uri.slice(0, rule.uri.indexOf(':'))}://localhost`, client.proxy);
    this.#addresses = new AllowedAddresses(rule.networks ?? [], where);
    this.#viaProxy = client.proxy !== undefined;
    // The addresses that were judged are the ones that are used: nothing is looked up a second time.
    const judged = (host: string): Promise<readonly string[]> => this.#addresses.lookUp(host, client.lookUp);
    // The next proxy is chosen by who configured this one, and judges for itself.
    const options = this.#viaProxy ? client : { ...client, lookUp: judged };
    this.upstream = new Upstream(`target ${index}`, options);
  }

  /** Whether the rule is about this URI. */
  matches(uri: CoapUri): boolean {
    return this.#pattern(uri);
  }

  /** Whether an IP literal of a URI may be asked. Addresses of names are judged when they are looked up. */
  allowsHost(uri: CoapUri): boolean {
    return this.#viaProxy || !uri.hostIsIpLiteral || this.#addresses.allows(uri.host);
  }
}

type Pattern = (uri: CoapUri) => boolean;

function patternOf(where: string, text: string): Pattern {
  const refuse = (problem: string): never => {
    throw new ApiMisuseError(`${where}: uri is '${text}'; ${problem}`);
  };
  const anyPort = /^[^:/]+:\/\/[^/]*:\*(?:\/|$)/.test(text);
  const hasPath = /^[^:/]+:\/\/[^/]*\//.test(text);
  const pattern = parseCoapUri(anyPort ? text.replace(/:\*(?=\/|$)/, '') : text);
  if (isDecodeFault(pattern)) return refuse(`expected SCHEME://HOST[:PORT][/PATH]: ${pattern.reason}`);
  const { scheme, port, path } = pattern;
  if (pattern.query.length > 0) return refuse('a pattern has no query');
  const host = hostPattern(pattern.host) ?? refuse('in a host, only * and *.NAME stand for more than one');
  if (path.slice(0, -1).includes('*')) return refuse('in a path, * can be the last segment only');
  const below = path.at(-1) === '*';
  const prefix = below ? path.slice(0, -1) : path;
  return (uri) =>
    uri.scheme === scheme &&
    host(uri) &&
    (anyPort || uri.port === port) &&
    (!hasPath ||
      ((below ? uri.path.length > prefix.length || prefix.length === 0 : uri.path.length === prefix.length) &&
        prefix.every((segment, index) => segment === uri.path[index])));
}

/** Parts of labels and of addresses are refused: other hosts can be called so. */
function hostPattern(host: string): Pattern | undefined {
  if (host === '*') return () => true;
  if (!host.includes('*')) return (uri) => withoutDot(uri.host) === withoutDot(host);
  const suffix = host.slice(1);
  if (!host.startsWith('*.') || suffix.includes('*') || !/\.[^.]*[^\d.][^.]*\.?$/.test(suffix))
    return undefined;
  return (uri) => !uri.hostIsIpLiteral && withoutDot(uri.host).endsWith(withoutDot(suffix));
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, '');
}
