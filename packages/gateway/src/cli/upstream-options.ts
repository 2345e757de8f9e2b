/**
 * The option of `serve` that gives paths of the gateway to other servers, and the OSCORE contexts that they are asked with.
 *
 * @module
 */

import { realpathSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { ApiMisuseError, type OscoreContext, reverseProxy } from 'coapsule';
import { type Command, InvalidArgumentError } from 'commander';
import { isHttpUri } from '../cross-proxy/http-target-rule.ts';
import type { GatewayProxyOptions } from '../gateway/gateway-proxy.ts';
import type { UpstreamServer } from '../gateway/upstream-servers.ts';
import { parseReverseProxyRule, type ReverseProxyRule } from '../server/reverse-proxy-option.ts';
import { chooseCredentials, oscoreEnd } from './client-credentials.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { httpCredentials } from './http-credentials.ts';
import { closeKeptOscore, openKeptOscore, readOscoreEnd } from './kept-oscore.ts';
import type { OscoreLog } from './oscore-log.ts';
import { proxyCache } from './proxy-options.ts';
import { targetUri } from './target-uri.ts';

/** As they stand on the command line. */
export interface UpstreamCommandOptions {
  readonly reverseProxy?: readonly ReverseProxyRule[];
  readonly proxyCredentials?: string;
  readonly proxyCache?: number | 'off';
}

/** Adds the option. */
export function addUpstreamOptions(command: Command): void {
  command.option(
    '--reverse-proxy <path=uri[,cache=off][,oscore=file]>',
    'ask another server for what is below a path, such as /cloud=coap://cloud.example/api or https://…, with the OSCORE context of a file when one is given; repeatable',
    ruleValue,
  );
}

/**
 * What the gateway is told, without the OSCORE contexts; nothing is opened.
 *
 * @throws CommandFailure for rules that cannot be, and files that are no contexts.
 */
export function upstreamServers(
  { reverseProxy: rules = [], proxyCredentials: credentials, ...options }: UpstreamCommandOptions,
  warn: (text: string) => void,
): readonly UpstreamServer[] {
  const paths = new Set<string>();
  return rules.map(({ path, uri, oscore, cache }) => {
    if (paths.has(path)) refuse(`two rules are for ${path}`, 'give each path one server');
    paths.add(path);
    if (isHttpUri(uri)) return httpServer({ path, uri, oscore, cache }, credentials, warn);
    const target = targetUri(uri);
    const end = oscoreOf({ uri, oscore }, credentials);
    const wish = credentials === undefined ? {} : { credentials };
    const client = target.secure ? chooseCredentials(target, wish, warn) : {};
    try {
      // It is checked when it is made, and nothing is opened.
      reverseProxy({ below: path, to: uri, client });
    } catch (error) {
      if (!(error instanceof ApiMisuseError)) throw error;
      refuse(error.message.replace(/^reverseProxy: /, ''), 'such as /cloud=coap://cloud.example/api');
    }
    if (end !== undefined) readOscoreEnd(end, () => {});
    else if (!target.secure) {
      warn(`what goes to ${uri} from ${path} is not protected: give the rule oscore=FILE, or a coaps URI`);
    }
    const kept = cache === 'off' ? false : proxyCache(options);
    return { path, uri, client, ...(kept !== undefined && { cache: kept }) };
  });
}

function httpServer(
  { path, uri, oscore }: ReverseProxyRule,
  credentials: string | undefined,
  warn: (text: string) => void,
): UpstreamServer {
  if (oscore !== undefined)
    refuse(`${uri} is HTTP, which has no OSCORE here`, 'leave oscore=FILE out; https protects the way');
  const http = httpCredentials(uri, credentials, warn);
  if (!/^https:/i.test(uri)) warn(`what goes to ${uri} from ${path} is not protected: https is`);
  return { path, uri, client: {}, http };
}

/** The file or folder of the context that a server is asked with: that of the rule, or of the map for its URI. */
function oscoreOf(
  { uri, oscore }: Pick<ReverseProxyRule, 'uri' | 'oscore'>,
  credentials: string | undefined,
): string | undefined {
  if (oscore !== undefined || credentials === undefined || isHttpUri(uri)) return oscore;
  return oscoreEnd(targetUri(uri), { credentials })?.path;
}

/** The servers with the contexts that they are asked with; `close` after the gateway. */
export class OpenedUpstreams implements AsyncDisposable {
  #servers: readonly OpenedServer[] = [];
  /** By the real path of the file: two rules may name one, and its numbers are counted in one place. */
  #contexts: ReadonlyMap<string, OscoreContext> = new Map();
  /** Those that no reload takes away. */
  readonly #lasting = new Map<string, OscoreContext>();
  /** What the latest plan leaves without use. */
  #unused: readonly OscoreContext[] = [];

  readonly #warn: (text: string) => void;
  readonly #log: OscoreLog | undefined;

  private constructor(warn: (text: string) => void, log: OscoreLog | undefined) {
    this.#warn = warn;
    this.#log = log;
  }

  /**
   * @param log Where contexts are written for Wireshark, if anywhere.
   * @throws CommandFailure as `plan`.
   */
  static async open(
    options: UpstreamCommandOptions,
    warn: (text: string) => void,
    log?: OscoreLog,
  ): Promise<OpenedUpstreams> {
    const opened = new OpenedUpstreams(warn, log);
    (await opened.plan(options, warn)).keep();
    return opened;
  }

  get servers(): readonly UpstreamServer[] {
    return this.#servers.map(({ server }) => server);
  }

  /**
   * Opens what other options ask for besides. A rule that is the same keeps its server, with the context that it has.
   *
   * @throws CommandFailure as `upstreamServers`, and for a context that cannot be used; then all is as it was.
   */
  async plan(options: UpstreamCommandOptions, warn: (text: string) => void): Promise<UpstreamPlan> {
    const { reverseProxy: rules = [] } = options;
    const added = new Map<string, OscoreContext>();
    const used = new Map<string, OscoreContext>();
    try {
      const servers: OpenedServer[] = [];
      for (const [index, server] of upstreamServers(options, warn).entries()) {
        const rule = rules[index] as ReverseProxyRule;
        const end = oscoreOf(rule, options.proxyCredentials);
        const key = end === undefined ? undefined : realpathSync(end);
        let oscore: OscoreContext | undefined;
        if (key !== undefined && this.#lasting.has(key)) oscore = this.#lasting.get(key);
        else if (key !== undefined) {
          oscore =
            this.#contexts.get(key) ??
            added.get(key) ??
            (await openKeptOscore({ path: key }, warn, this.#log));
          if (!this.#contexts.has(key)) added.set(key, oscore);
          used.set(key, oscore);
        }
        const same = this.#servers.find(
          (other) =>
            isDeepStrictEqual(other.rule, rule) &&
            other.server.client.oscore === oscore &&
            // The same file may hold another token, or another key.
            isDeepStrictEqual(other.server.http, server.http) &&
            isDeepStrictEqual({ ...other.server.client, oscore }, { ...server.client, oscore }),
        );
        const client = oscore === undefined ? server.client : { ...server.client, oscore };
        servers.push(same ?? { rule, server: { ...server, client } });
      }
      const isAsBefore = ({ rule }: OpenedServer): boolean =>
        this.#servers.some((other) => isDeepStrictEqual(other.rule, rule));
      return {
        servers: servers.map(({ server }) => server),
        renewed: servers.filter((one) => isAsBefore(one) && !this.#servers.includes(one)).length,
        keep: () => {
          this.#unused = [...this.#contexts.values()].filter(
            (context) => ![...used.values()].includes(context),
          );
          this.#servers = servers;
          this.#contexts = used;
        },
        abandon: () => closeAll(added.values(), warn),
      };
    } catch (error) {
      await closeAll(added.values(), warn);
      throw error;
    }
  }

  /**
   * The servers of the forward-proxy with the contexts that the map has for them; they stay as long as the process.
   *
   * @throws CommandFailure for a context that cannot be used, and for one that several servers would share.
   */
  async protectedTargets(
    proxy: GatewayProxyOptions | undefined,
    credentials: string | undefined,
  ): Promise<GatewayProxyOptions | undefined> {
    if (proxy === undefined || credentials === undefined) return proxy;
    const targets: GatewayProxyOptions['targets'][number][] = [];
    for (const target of proxy.targets) {
      const { uri, client } = target;
      const end = isHttpUri(uri) ? undefined : oscoreEnd({ ...anyTarget, text: uri }, { credentials })?.path;
      if (end === undefined) {
        targets.push(target);
        continue;
      }
      if (/^[^:]+:\/\/[^/]*\*/.test(uri)) {
        throw new CommandFailure(
          ExitCode.Usage,
          `--proxy ${uri}: ${credentials} has an OSCORE context for it, which one server has, and this may be several`,
          'name each server that has a context by a --proxy of its own',
        );
      }
      targets.push({ ...target, client: { ...client, oscore: await this.#lastingContext(end) } });
    }
    return { ...proxy, targets };
  }

  async #lastingContext(path: string): Promise<OscoreContext> {
    const key = realpathSync(path);
    const known = this.#lasting.get(key) ?? this.#contexts.get(key);
    const context = known ?? (await openKeptOscore({ path: key }, this.#warn, this.#log));
    this.#lasting.set(key, context);
    this.#contexts = new Map([...this.#contexts].filter(([other]) => other !== key));
    return context;
  }

  /** Closes the contexts that nothing is asked with any more. */
  async closeUnused(): Promise<void> {
    const unused = this.#unused;
    this.#unused = [];
    await closeAll(unused, this.#warn);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeUnused();
    await closeAll([...this.#contexts.values(), ...this.#lasting.values()], this.#warn);
  }
}

/** Of a pattern its text alone matters here. */
const anyTarget = { scheme: 'coap', secure: false, host: '', port: 0, isGroup: false } as const;

interface OpenedServer {
  readonly rule: ReverseProxyRule;
  readonly server: UpstreamServer;
}

/** What `OpenedUpstreams` has opened and does not count yet: `keep` or `abandon` it. */
export interface UpstreamPlan {
  readonly servers: readonly UpstreamServer[];
  /** Servers whose rule is as before, and whose credentials are others. */
  readonly renewed: number;
  readonly keep: () => void;
  readonly abandon: () => Promise<void>;
}

async function closeAll(contexts: Iterable<OscoreContext>, warn: (text: string) => void): Promise<void> {
  await Promise.all([...contexts].map((context) => closeKeptOscore(context, warn)));
}

function refuse(cause: string, nextStep: string): never {
  throw new CommandFailure(ExitCode.Usage, `--reverse-proxy: ${cause}`, nextStep);
}

function ruleValue(text: string, before: readonly ReverseProxyRule[] = []): readonly ReverseProxyRule[] {
  const rule = parseReverseProxyRule(text);
  if ('problem' in rule) throw new InvalidArgumentError(`${rule.problem}.`);
  return [...before, rule];
}
