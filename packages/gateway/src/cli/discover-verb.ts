/**
 * The verb discover: what a server offers, from its /.well-known/core (RFC 6690).
 *
 * @module
 */

import { decodeLinkFormat, encodeLinkFormat, isDecodeFault } from 'coapsule/message';
import { printable, printableJson } from '../text/printable.ts';
import type { ClientCommandOptions } from './client-command-options.ts';
import { withClient } from './client-session.ts';
import type { CommandEnvironment } from './command-environment.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { interruptible } from './request-verb.ts';
import { ResponseOutput } from './response-output.ts';
import { targetUri } from './target-uri.ts';

/** Options of discover. */
export interface DiscoverCommandOptions extends ClientCommandOptions {
  /** Filters such as `rt=temperature` (RFC 6690 §4.1). */
  readonly query?: readonly string[];
}

/** Longest link that is shown, in characters. */
const maxLink = 10_000;

/** Prints the links, one on a line in link format, or as JSON objects. */
export async function runDiscover(
  uriText: string,
  options: DiscoverCommandOptions,
  environment: CommandEnvironment,
): Promise<ExitCode> {
  const uri = targetUri(uriText, environment.variables);
  if (uri.isGroup) {
    const { runGroupDiscover } = await import('./group-verb.ts');
    return runGroupDiscover(uri, options, environment);
  }
  // Of the URI only scheme, host and port count: RFC 6690 §4 fixes the path.
  const server = /^[^:]+:\/\/[^/?]*/.exec(uri.text)![0];
  const filter = (options.query ?? []).map((query) => encodeURIComponent(query)).join('&');
  const listUri = `${server}/.well-known/core${filter === '' ? '' : `?${filter}`}`;
  return withClient(uri, options, environment, async (client) => {
    const response = await interruptible(environment, (signal) =>
      client.request('GET', listUri, {
        accept: 'application/link-format',
        signal,
        ...(options.timeout !== undefined && { timeoutMs: options.timeout * 1000 }),
      }),
    );
    if (!response.ok) return new ResponseOutput(listUri, {}, environment).response(response, false);
    printLinks(response.text(), listUri, options.json === true, environment);
    return ExitCode.Success;
  });
}

function printLinks(
  text: string,
  listUri: string,
  asJson: boolean,
  { stdout, stderr }: CommandEnvironment,
): void {
  const links = decodeLinkFormat(text);
  if (isDecodeFault(links)) {
    const cause = `${listUri} is not in link format, character ${links.offset + 1}: ${links.reason}`;
    throw new CommandFailure(ExitCode.Failure, cause, `see what it is with "coapsule get ${listUri}"`);
  }
  for (const { target, attributes } of links) {
    const json = { target, attributes: attributes.map(([name, value]) => ({ name, value: value ?? null })) };
    stdout.write(
      `${asJson ? printableJson(json) : printable(encodeLinkFormat([{ target, attributes }]), maxLink)}\n`,
    );
  }
  if (links.length === 0) stderr.write('coapsule: no resource matches\n');
}
