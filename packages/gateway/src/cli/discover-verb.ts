/**
 * The verb discover: what a server offers, from its /.well-known/core (RFC 6690).
 *
 * @module
 */

import { encodeLinkFormat } from 'coapsule/message';
import type { ClientCommandOptions } from './client-command-options.ts';
import { openSession } from './client-session.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { ExitCode } from './exit-code.ts';
import { targetUri } from './target-uri.ts';

/** Options of discover. */
export interface DiscoverCommandOptions extends ClientCommandOptions {
  /** Filters such as `rt=temperature` (RFC 6690 §4.1). */
  readonly query?: readonly string[];
}

/** Prints the links, one on a line in link format, or as JSON objects. */
export async function runDiscover(
  uriText: string,
  options: DiscoverCommandOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const uri = targetUri(uriText);
  const session = await openSession(uri, options, environment);
  const abort = new AbortController();
  const forget = environment.onInterrupt(() => abort.abort());
  try {
    const links = await session.client.discover(uri.text, {
      signal: abort.signal,
      ...(options.query !== undefined && { query: [...options.query] }),
      ...(options.timeout !== undefined && { timeoutMs: options.timeout * 1000 }),
    });
    for (const link of links) {
      environment.stdout.write(
        options.json === true
          ? `${JSON.stringify({ target: link.target, attributes: link.attributes.map(([name, value]) => ({ name, value: value ?? null })) })}\n`
          : `${encodeLinkFormat([link])}\n`,
      );
    }
    if (links.length === 0) environment.stderr.write('coapsule: no resource matches\n');
    return ExitCode.Success;
  } finally {
    forget();
    await session.close();
  }
}
