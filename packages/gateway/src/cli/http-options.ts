/**
 * The options of `serve` for its HTTP endpoint, and the file of its tokens.
 *
 * A line of the file is `NAME TOKEN RULE…`, such as `panel 9f86d081884c7d65 GET:/sensors/* PUT:/light`; empty lines and those
 * that begin with `#` are left out.
 *
 * @module
 */

import type { Command } from 'commander';
import { parseRule, type Rule } from '../access/rule.ts';
import type { HttpOptions } from '../http/http-options.ts';
import type { HttpToken } from '../http/http-tokens.ts';
import type { EndpointAddress } from '../server/serve-options.ts';
import { printable } from '../text/printable.ts';
import { CommandFailure } from './command-failure.ts';
import { httpEndpointOption } from './endpoint-options.ts';
import { ExitCode } from './exit-code.ts';
import { optionFile } from './option-content.ts';
import { pathValue } from './option-values.ts';

/** As they stand on the command line. */
export interface HttpCommandOptions {
  readonly http: EndpointAddress | 'off';
  readonly httpTokens?: string;
  readonly httpTls?: boolean;
  readonly cert?: string;
  readonly privateKey?: string;
}

/** Adds the options. */
export function addHttpOptions(command: Command): void {
  command
    .addOption(httpEndpointOption())
    .option(
      '--http-tokens <file>',
      'who may do more by HTTP than everyone: lines NAME TOKEN METHOD:PATH…',
      pathValue,
    )
    .option('--http-tls', 'TLS for HTTP, with --cert and --private-key');
}

/**
 * What the gateway is told; undefined without the endpoint.
 *
 * @throws CommandFailure for options that cannot be, or that are of no use without `--http`.
 */
export function httpOptions(options: HttpCommandOptions): HttpOptions | undefined {
  const { http: address, httpTokens, httpTls = false, cert, privateKey } = options;
  if (address === 'off') {
    const idle = httpTokens !== undefined ? '--http-tokens' : httpTls && '--http-tls';
    if (idle === false) return undefined;
    throw new CommandFailure(
      ExitCode.Usage,
      `${idle} is for the http endpoint, and it is off`,
      'give --http 8080',
    );
  }
  if (httpTls && (cert === undefined || privateKey === undefined)) {
    throw new CommandFailure(
      ExitCode.Usage,
      '--http-tls has no certificate to show',
      'give --cert and --private-key',
    );
  }
  const isTls = httpTls && cert !== undefined && privateKey !== undefined;
  return {
    address,
    tokens: httpTokens === undefined ? [] : parseTokens(optionFile('--http-tokens', httpTokens), httpTokens),
    tls: isTls
      ? { certificate: optionFile('--cert', cert), privateKey: optionFile('--private-key', privateKey) }
      : undefined,
  };
}

/** Shorter ones can be guessed. */
const shortestToken = 16;

/** @param name How the file is called in messages; they never contain a token. */
export function parseTokens(text: string, name: string): readonly HttpToken[] {
  const tokens: HttpToken[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const refuse = (cause: string): never => {
      throw new CommandFailure(
        ExitCode.Usage,
        `${printable(name)}, line ${index + 1}: ${cause}`,
        'a line is NAME TOKEN METHOD:PATH…, such as: panel 9f86d081884c7d65 GET:/sensors/*',
      );
    };
    const [holder = '', token = '', ...rules] = line.trim().split(/\s+/);
    if (!/^[\w\-.~+/]+=*$/.test(token))
      return refuse('the token is missing, or has other characters than letters, digits and -._~+/=');
    if (token.length < shortestToken) return refuse(`the token has less than ${shortestToken} characters`);
    if (tokens.some((other) => other.name === holder || other.token === token))
      return refuse('name or token is there already');
    tokens.push({
      name: holder,
      token,
      rules: rules.map((one): Rule => {
        const rule = parseRule(one);
        return typeof rule === 'string' ? refuse(rule) : rule;
      }),
    });
  }
  return tokens;
}
