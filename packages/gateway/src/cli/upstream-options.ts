/**
 * The option of `serve` that gives paths of the gateway to other servers, and the OSCORE contexts that they are asked with.
 *
 * @module
 */

import { realpathSync } from 'node:fs';
import { ApiMisuseError, type OscoreContext, reverseProxy } from 'coapsule';
import { type Command, InvalidArgumentError } from 'commander';
import type { UpstreamServer } from '../gateway/upstream-servers.ts';
import { parseReverseProxyRule, type ReverseProxyRule } from '../server/reverse-proxy-option.ts';
import { chooseCredentials } from './client-credentials.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { openKeptOscore, readOscoreEnd } from './kept-oscore.ts';
import { targetUri } from './target-uri.ts';

/** As they stand on the command line. */
export interface UpstreamCommandOptions {
  readonly reverseProxy?: readonly ReverseProxyRule[];
  readonly proxyCredentials?: string;
  readonly dangerouslyLogOscore?: string;
}

/** Adds the option. */
export function addUpstreamOptions(command: Command): void {
  command.option(
    '--reverse-proxy <path=uri[,oscore=file]>',
    'ask another server for what is below a path, such as /cloud=coap://cloud.example/api, with the OSCORE context of a file when one is given; repeatable',
    ruleValue,
  );
}

/**
 * What the gateway is told, without the OSCORE contexts; nothing is opened.
 *
 * @throws CommandFailure for rules that cannot be, and files that are no contexts.
 */
export function upstreamServers(
  { reverseProxy: rules = [], proxyCredentials: credentials }: UpstreamCommandOptions,
  warn: (text: string) => void,
): readonly UpstreamServer[] {
  const paths = new Set<string>();
  return rules.map(({ path, uri, oscore }) => {
    if (paths.has(path)) refuse(`two rules are for ${path}`, 'give each path one server');
    paths.add(path);
    const target = targetUri(uri);
    const wish = credentials === undefined ? {} : { credentials };
    const client = target.secure ? chooseCredentials(target, wish, warn) : {};
    try {
      // It is checked when it is made, and nothing is opened.
      reverseProxy({ below: path, to: uri, client });
    } catch (error) {
      if (!(error instanceof ApiMisuseError)) throw error;
      refuse(error.message.replace(/^reverseProxy: /, ''), 'such as /cloud=coap://cloud.example/api');
    }
    if (oscore !== undefined) readOscoreEnd(oscore, () => {});
    else if (!target.secure) {
      warn(`what goes to ${uri} from ${path} is not protected: give the rule oscore=FILE, or a coaps URI`);
    }
    return { path, uri, client };
  });
}

/** The servers with the contexts that they are asked with; `close` after the gateway. */
export class OpenedUpstreams implements AsyncDisposable {
  readonly servers: readonly UpstreamServer[];
  readonly #contexts: readonly OscoreContext[];

  /** @throws CommandFailure as `upstreamServers`, and for a context that cannot be used; then none stays open. */
  static async open(options: UpstreamCommandOptions, warn: (text: string) => void): Promise<OpenedUpstreams> {
    const { reverseProxy: rules = [] } = options;
    const opened = new Map<string, OscoreContext>();
    try {
      const servers: UpstreamServer[] = [];
      for (const [index, server] of upstreamServers(options, warn).entries()) {
        const file = rules[index]?.oscore;
        if (file === undefined) {
          servers.push(server);
          continue;
        }
        // Two rules may name one file: its numbers are counted in one place.
        const key = realpathSync(file);
        const oscore =
          opened.get(key) ?? (await openKeptOscore({ path: file }, warn, options.dangerouslyLogOscore));
        opened.set(key, oscore);
        servers.push({ ...server, client: { ...server.client, oscore } });
      }
      return new OpenedUpstreams(servers, [...opened.values()]);
    } catch (error) {
      await closeAll(opened.values());
      throw error;
    }
  }

  private constructor(servers: readonly UpstreamServer[], contexts: readonly OscoreContext[]) {
    this.servers = servers;
    this.#contexts = contexts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAll(this.#contexts);
  }
}

async function closeAll(contexts: Iterable<OscoreContext>): Promise<void> {
  await Promise.all([...contexts].map((context) => context.close()));
}

function refuse(cause: string, nextStep: string): never {
  throw new CommandFailure(ExitCode.Usage, `--reverse-proxy: ${cause}`, nextStep);
}

function ruleValue(text: string, before: readonly ReverseProxyRule[] = []): readonly ReverseProxyRule[] {
  const rule = parseReverseProxyRule(text);
  if ('problem' in rule) throw new InvalidArgumentError(`${rule.problem}.`);
  return [...before, rule];
}
