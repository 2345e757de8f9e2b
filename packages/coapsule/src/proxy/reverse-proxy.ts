/**
 * A reverse-proxy: resources that look like the server's own and are another one's.
 *
 * RFC 7252 §5.7.3. One path, or everything below it, stands for one path of one server, so that ETags of different
 * servers never meet.
 *
 * @module
 */

import { Client } from '../api/client.ts';
import type { ClientOptions } from '../api/client-options.ts';
import { expectKnownOptions, type OptionNames } from '../api/known-options.ts';
import type { Request } from '../api/request.ts';
import { requestRoute } from '../api/request-route.ts';
import type { Handler, Resource } from '../api/resource-tree.ts';
import { failure, type ServerResponse } from '../api/server-response.ts';
import { parseTargetUri, type TargetUri } from '../api/target-uri.ts';
import { Code } from '../core/coap/code.ts';
import { OptionNumber } from '../core/coap/option-registry.ts';
import { encodeOptionValue } from '../core/coap/option-value.ts';
import { ApiMisuseError, isDecodeFault } from '../core/foundation/errors.ts';
import { decodeUtf8 } from '../core/foundation/utf8.ts';
import { mayPass } from './authorization.ts';
import { ProxyEngine } from './proxy-engine.ts';
import { type ProxySettings, proxySettingNames } from './proxy-options.ts';
import { proxyTarget } from './proxy-target.ts';
import { expectClientOptions, Upstream } from './upstream.ts';

/** Options of a reverse-proxy. */
export interface ReverseProxyOptions extends ProxySettings {
  /** The server, and the path there that `below` stands for: `coap://plant.example/api`. */
  readonly to: string;
  /** The path here that stands for the one of `to`; `/` by default. */
  readonly below?: string;
  /**
   * As whom the server is asked and how it is known; or a client that is there already, such as that of a serial line that
   * the server listens on (docs/serial-lines.md). Who made that one closes it.
   */
  readonly client?: ClientOptions | Client;
}

const reverseProxyNames: OptionNames<Required<ReverseProxyOptions>> = {
  ...proxySettingNames,
  to: true,
  below: true,
  client: true,
};

/**
 * Makes a resource that another server serves. Its address may be any: it is named by who sets the proxy up.
 *
 * ```ts
 * server.resource('/plant/*', reverseProxy({ below: '/plant', to: 'coap://10.1.2.3/api' }));
 * server.host('plant.example').resource('/*', reverseProxy({ to: 'coap://10.1.2.3' }));
 * ```
 *
 * Without `authorize` everybody may use it who passes the server's middleware. It closes with the server.
 *
 * @throws ApiMisuseError for options that cannot be.
 */
export function reverseProxy(options: ReverseProxyOptions): Resource {
  expectKnownOptions('reverseProxy', options, reverseProxyNames);
  const { to, below = '/', client = {}, authorize = () => true } = options;
  if (!(client instanceof Client)) expectClientOptions('reverseProxy: client', client);
  const base = parseTargetUri(to);
  if (isDecodeFault(base)) throw new ApiMisuseError(`reverseProxy: to is '${to}'; ${base.reason}`);
  if (base.query.length > 0) throw new ApiMisuseError(`reverseProxy: to is '${to}'; expected no query`);
  // A scheme that cannot be asked for is told now and not by 5.00.
  requestRoute(to, client instanceof Client ? undefined : client.proxy);
  const here = pathSegments(below);
  const engine = new ProxyEngine('reverseProxy', options);
  const upstream = new Upstream('reverse', client);
  const handler: Handler = async (request) => {
    const parts = targetOf(request, base, here);
    if (typeof parts === 'string') return failure(Code.BadOption, parts);
    const target = proxyTarget(parts);
    const refusal = await mayPass(request, target, authorize);
    if (refusal !== undefined) return refusal;
    return withLocalLocation(await engine.pass(request, target, upstream), base.path, here);
  };
  return {
    ...{
      get: handler,
      post: handler,
      put: handler,
      delete: handler,
      fetch: handler,
      patch: handler,
      ipatch: handler,
    },
    observable: true,
    conditional: true,
    proxy: true,
    maxBodyBytes: engine.maxBodyBytes,
    streamRequestBody: engine.streamsBodies,
    async onClose() {
      engine.close();
      await upstream.close();
    },
  };
}

function pathSegments(below: string): readonly string[] {
  if (!below.startsWith('/') || below.endsWith('/*')) {
    throw new ApiMisuseError(`reverseProxy: below is '${below}'; expected a path such as '/plant'`);
  }
  return below
    .split('/')
    .slice(1)
    .filter((segment) => segment !== '')
    .map(decodeURIComponent);
}

/** What the request is for at the other server, or why nothing can be. */
function targetOf(request: Request, base: TargetUri, here: readonly string[]): TargetUri | string {
  const { segments, query } = request;
  if (!here.every((segment, index) => segment === segments[index])) {
    throw new ApiMisuseError(
      `reverseProxy: below is '/${here.join('/')}', but the resource serves ${request.path}; give it the path it is added with`,
    );
  }
  // RFC 7252 §5.10.1: they would name something else once they are in a URI.
  if (segments.some((segment) => segment === '.' || segment === '..')) return 'Uri-Path is "." or ".."';
  return { ...base, path: [...base.path, ...segments.slice(here.length)], query };
}

/** Where something was created, as it is called here; left out when it has no name here. */
function withLocalLocation(
  response: ServerResponse,
  there: readonly string[],
  here: readonly string[],
): ServerResponse {
  const { options = [] } = response;
  const location = options
    .filter(({ number }) => number === OptionNumber.LocationPath)
    .map(({ value }) => decodeUtf8(encodeOptionValue(value)) ?? '');
  if (location.length === 0) return response;
  const others = options.filter(({ number }) => number !== OptionNumber.LocationPath);
  if (!there.every((segment, index) => segment === location[index])) {
    return { ...response, options: others.filter(({ number }) => number !== OptionNumber.LocationQuery) };
  }
  const local = [...here, ...location.slice(there.length)];
  return {
    ...response,
    options: [...others, ...local.map((value) => ({ number: OptionNumber.LocationPath, value }))],
  };
}
