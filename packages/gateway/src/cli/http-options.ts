/**
 * The options of `serve` for its HTTP endpoint, and the file of its tokens.
 *
 * A line of the file is `NAME TOKEN RULE…`, such as `panel 9f86d081884c7d65 GET:/sensors/* PUT:/light`; empty lines and those
 * that begin with `#` are left out.
 *
 * @module
 */

import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { parseRule, type Rule } from '../access/rule.ts';
import { hostName } from '../http/host-names.ts';
import type { HttpOptions } from '../http/http-options.ts';
import type { HttpToken } from '../http/http-tokens.ts';
import { type ProxyNetwork, parseProxyNetwork } from '../http/trusted-proxies.ts';
import { parseUriTemplate } from '../http/uri-template.ts';
import type { EndpointAddress } from '../server/serve-options.ts';
import { printable } from '../text/printable.ts';
import { CommandFailure } from './command-failure.ts';
import { defaultHttpEndpoint, httpEndpointOption } from './endpoint-options.ts';
import { ExitCode } from './exit-code.ts';
import { optionFile, optionSecret } from './option-content.ts';
import { pathValue, repeatedText } from './option-values.ts';

/** As they stand on the command line. */
export interface HttpCommandOptions {
  readonly http: EndpointAddress | 'off';
  readonly httpTokens?: string;
  readonly httpTls?: boolean;
  readonly httpCors?: readonly string[];
  readonly httpName?: readonly string[];
  readonly httpTemplate?: readonly string[];
  readonly trustedProxy?: readonly string[];
  readonly cert?: string;
  readonly privateKey?: string;
  readonly passphraseFile?: string;
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
    .option('--http-tls', 'TLS for HTTP, with --cert and --private-key')
    .option(
      '--http-cors <origin>',
      'pages of this origin, such as https://panel.example, may read answers; "*": of any; repeatable',
      repeatedText,
    )
    .option(
      '--http-name <name>',
      'a name that the endpoint is asked by, such as gateway.example; others than it, localhost and its address are refused; repeatable',
      repeatedText,
    )
    .option(
      '--http-template <template>',
      'another form of requests for other servers behind /hc/, such as "?target_uri={+tu}" (RFC 8075); repeatable',
      repeatedText,
    )
    .option(
      '--trusted-proxy <network>',
      'a server in front of the http endpoint, whose X-Forwarded-For and -Proto count, such as 127.0.0.1 or 10.1.0.0/16; repeatable',
      repeatedText,
    );
}

/**
 * What the gateway is told; undefined without the endpoint.
 *
 * @throws CommandFailure for options that cannot be, or that are of no use without `--http`.
 */
export function httpOptions(
  options: HttpCommandOptions,
  warn: (text: string) => void = () => {},
): HttpOptions | undefined {
  const { http: address, httpTokens, httpTls = false, httpCors, httpName, httpTemplate, cert } = options;
  const { trustedProxy } = options;
  const privateKey = options.privateKey ?? cert;
  if (address === 'off') {
    const given = {
      ...{ '--http-tokens': httpTokens, '--http-cors': httpCors },
      ...{ '--http-name': httpName, '--http-template': httpTemplate },
      ...{ '--trusted-proxy': trustedProxy },
    };
    const [idle] = [
      ...Object.entries(given).flatMap(([flag, value]) => (value === undefined ? [] : [flag])),
      ...(httpTls ? ['--http-tls'] : []),
    ];
    if (idle === undefined) return undefined;
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
  if (httpTokens !== undefined) warnOfOpenFile(httpTokens, warn);
  const tls = httpTls && cert !== undefined && privateKey !== undefined;
  return {
    address,
    isOptional: address === defaultHttpEndpoint,
    tokens: httpTokens === undefined ? [] : parseTokens(optionFile('--http-tokens', httpTokens), httpTokens),
    tls: tls ? tlsFiles(cert, privateKey, options.passphraseFile) : undefined,
    cors: (httpCors ?? []).map(origin),
    names: (httpName ?? []).map(endpointName),
    trustedProxies: (trustedProxy ?? []).map(proxyNetwork),
    templates: (httpTemplate ?? []).map((text) => {
      const template = parseUriTemplate(text);
      if (typeof template !== 'string') return template;
      throw new CommandFailure(
        ExitCode.Usage,
        `--http-template ${text}: ${template}`,
        'docs/http.md has examples',
      );
    }),
  };
}

/** @throws CommandFailure for files that are no certificate and key of each other. */
function tlsFiles(
  cert: string,
  key: string,
  passphraseFile: string | undefined,
): NonNullable<HttpOptions['tls']> {
  const certificate = optionFile('--cert', cert);
  const privateKey = optionFile('--private-key', key);
  const passphrase = optionSecret('--passphrase-file', passphraseFile);
  try {
    // Loaded where it is wanted.
    process.getBuiltinModule('node:tls').createSecureContext({
      cert: certificate,
      key: privateKey,
      ...(passphrase !== undefined && { passphrase }),
    });
  } catch (error) {
    throw new CommandFailure(
      ExitCode.Failure,
      `--http-tls cannot use ${printable(cert)} and ${printable(key)}: ${(error as Error).message}`,
      'give the certificate and its key in PEM, and --passphrase-file for a key that is encrypted',
    );
  }
  return { certificate, privateKey, passphrase };
}

/** An origin as browsers send it: without a path, and without the usual port. */
function origin(text: string): string {
  if (text === '*') return text;
  if (/^https?:/i.test(text) && URL.canParse(text)) {
    const url = new URL(text);
    if (url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '')
      return url.origin;
  }
  throw new CommandFailure(
    ExitCode.Usage,
    `--http-cors ${printable(text)} is no origin`,
    'give scheme, host and port alone, such as https://panel.example, or "*"',
  );
}

/** A name as requests say it, without a port. */
function endpointName(text: string): string {
  const name = hostName(text);
  if (name !== undefined) return name;
  throw new CommandFailure(
    ExitCode.Usage,
    `--http-name ${printable(text)} is no name`,
    'give the name alone, without scheme and port, such as gateway.example; an IPv6 address in brackets',
  );
}

/** A server in front of the endpoint. */
function proxyNetwork(text: string): ProxyNetwork {
  const network = parseProxyNetwork(text);
  if (typeof network !== 'string') return network;
  throw new CommandFailure(
    ExitCode.Usage,
    `--trusted-proxy ${printable(text)}: ${network}`,
    'docs/console-api.md has examples',
  );
}

/** Whoever reads a token can do what it may do. */
function warnOfOpenFile(path: string, warn: (text: string) => void): void {
  // A file that cannot be read is a fault of its own.
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    warn(`${printable(path)} has tokens and can be read by others: chmod 600 ${printable(path)}`);
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
