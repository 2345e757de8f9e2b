/**
 * The options of `serve` that make the gateway a forward-proxy.
 *
 * @module
 */

import { AllowedAddresses, ApiMisuseError, forwardProxy } from 'coapsule';
import { isHttpUri, parseHttpTarget } from '../cross-proxy/http-target-rule.ts';
import type { GatewayProxyOptions, ProxyCache } from '../gateway/gateway-proxy.ts';
import type { ReverseProxyRule } from '../server/reverse-proxy-option.ts';
import { chooseCredentials } from './client-credentials.ts';
import { CommandFailure } from './command-failure.ts';
import { ExitCode } from './exit-code.ts';
import { httpCredentials } from './http-credentials.ts';

/** As they stand on the command line. */
export interface ProxyCommandOptions {
  readonly proxy?: readonly string[];
  readonly proxyNetwork?: readonly string[];
  readonly proxyCredentials?: string;
  readonly dangerouslyOpenProxy?: boolean;
  readonly proxyCache?: number | 'off';
  /** Its rules are read in upstream-options.ts; here it matters that there are some. */
  readonly reverseProxy?: readonly ReverseProxyRule[];
}

/**
 * What the gateway is told; undefined without `--proxy`.
 *
 * @throws CommandFailure for options that cannot be, or that are of no use without `--proxy` or `--reverse-proxy`.
 */
export function proxyOptions(
  options: ProxyCommandOptions,
  warn: (text: string) => void,
): GatewayProxyOptions | undefined {
  const { proxy: uris = [], proxyNetwork: networks = [], proxyCredentials } = options;
  if (uris.length === 0) {
    const idle =
      networks.length > 0
        ? '--proxy-network'
        : proxyCredentials !== undefined && options.reverseProxy === undefined
          ? '--proxy-credentials'
          : options.dangerouslyOpenProxy && '--dangerously-open-proxy';
    if (!idle) return undefined;
    throw new CommandFailure(
      ExitCode.Usage,
      `${idle} is for a ${idle === '--proxy-credentials' ? '' : 'forward-'}proxy, and there is none`,
      'name the servers that it may ask with --proxy, such as --proxy coap://*.sensors.example',
    );
  }
  const targets = uris.map((uri): GatewayProxyOptions['targets'][number] => {
    if (isHttpUri(uri)) {
      const http = httpCredentials(uri, proxyCredentials, warn);
      return { uri, ...(http && { http }) };
    }
    if (!/^coaps:/i.test(uri)) return { uri };
    const wish = proxyCredentials === undefined ? {} : { credentials: proxyCredentials };
    // The map is asked about the pattern as it stands there: a part of it with a * matches a * of the map alone.
    return {
      uri,
      client: chooseCredentials(
        { text: uri, scheme: 'coaps', secure: true, host: '', port: 5684, isGroup: false },
        wish,
        warn,
      ),
    };
  });
  for (const { uri } of targets) {
    const problem = isHttpUri(uri) ? parseHttpTarget(uri) : undefined;
    if (typeof problem === 'string') {
      throw new CommandFailure(
        ExitCode.Usage,
        `--proxy: uri is '${uri}'; ${problem}`,
        'such as --proxy https://api.example/weather/*',
      );
    }
  }
  try {
    // Patterns, networks and credentials are checked when it is made, and nothing is opened.
    const coap = targets.filter(({ uri }) => !isHttpUri(uri));
    new AllowedAddresses(networks, 'forwardProxy: targets[0]');
    if (coap.length > 0)
      forwardProxy({
        targets: coap.map(({ uri, client }) => ({ uri, networks, ...(client && { client }) })),
      });
  } catch (error) {
    if (!(error instanceof ApiMisuseError)) throw error;
    const reason = error.message.replace(/^forwardProxy: targets\[\d+\]: /, '');
    throw new CommandFailure(
      ExitCode.Usage,
      `--proxy: ${reason}`,
      'such as --proxy coap://*.sensors.example --proxy-network 10.1.0.0/16',
    );
  }
  const cache = proxyCache(options);
  return {
    ...{ targets, networks, dangerouslyForEveryone: options.dangerouslyOpenProxy ?? false },
    ...(cache !== undefined && { cache }),
  };
}

/** What proxies keep of answers; undefined: as by default. */
export function proxyCache({
  proxyCache: given,
}: Pick<ProxyCommandOptions, 'proxyCache'>): ProxyCache | undefined {
  if (given === undefined) return undefined;
  return given === 'off' ? false : { maxBytes: given };
}
