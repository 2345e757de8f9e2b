/**
 * A forward-proxy: requests that name another server in Proxy-Uri or Proxy-Scheme.
 *
 * RFC 7252 §5.7.2 and §5.10.2. A proxy lends its own place in the network to whoever may use it, so that both are named
 * by who sets it up: which servers, at which addresses, and which clients.
 *
 * @module
 */

import { expectKnownOptions, type OptionNames } from '../api/known-options.ts';
import type { ProxyHandler } from '../api/proxy-handler.ts';
import type { Request } from '../api/request.ts';
import { failure, type ServerResponse } from '../api/server-response.ts';
import { canonicalHost } from '../api/virtual-host.ts';
import { Code } from '../core/coap/code.ts';
import { ApiMisuseError } from '../core/foundation/errors.ts';
import { forwardTarget } from '../core/request-response/proxying.ts';
import { mayPass } from './authorization.ts';
import { notForThis } from './gateway-failure.ts';
import { ProxyEngine } from './proxy-engine.ts';
import { type ProxySettings, proxySettingNames } from './proxy-options.ts';
import { proxyTarget } from './proxy-target.ts';
import { TargetPolicy, type TargetRule } from './target-rule.ts';

/** Options of a forward-proxy. */
export interface ForwardProxyOptions extends ProxySettings {
  /** Which servers it asks; the first rule that is about a URI counts. A request for any other is answered 5.05. */
  readonly targets: readonly TargetRule[];
  /**
   * Names of the server itself, beside its addresses and `localhost`: requests for them are local ones
   * (RFC 7252 §5.10.2).
   */
  readonly names?: readonly string[];
}

const forwardProxyNames: OptionNames<Required<ForwardProxyOptions>> = {
  ...proxySettingNames,
  targets: true,
  names: true,
};

/**
 * Makes what `Server.proxy` takes.
 *
 * ```ts
 * server.proxy(
 *   forwardProxy({
 *     targets: [
 *       { uri: 'coap://*.sensors.example' },
 *       { uri: 'coaps://plant.example', networks: ['10.1.0.0/16'], client: { psk: { identity: 'gw', key } } },
 *     ],
 *   }),
 * );
 * ```
 *
 * Without `authorize` every client that has proved who it is may use it, and nobody else. It closes with the server, and
 * serves one server only.
 *
 * @throws ApiMisuseError for options that cannot be.
 */
export function forwardProxy(options: ForwardProxyOptions): ProxyHandler {
  expectKnownOptions('forwardProxy', options, forwardProxyNames);
  const { targets, names = [], authorize } = options;
  if (!Array.isArray(targets) || targets.length === 0) {
    throw new ApiMisuseError(
      'forwardProxy: targets is empty; expected at least one, such as { uri: "coap://*.example" }',
    );
  }
  const policies = targets.map((rule: TargetRule, index) => new TargetPolicy(rule, index));
  const engine = new ProxyEngine('forwardProxy', options);
  return {
    names: new Set(names.map(canonicalHost)),
    maxBodyBytes: engine.maxBodyBytes,
    streamRequestBody: engine.streamsBodies,
    answer: (request) => answer(request, policies, engine, authorize),
    async close() {
      engine.close();
      await Promise.all(policies.map(({ upstream }) => upstream.close()));
    },
  };
}

async function answer(
  request: Request,
  policies: readonly TargetPolicy[],
  engine: ProxyEngine,
  authorize: ProxySettings['authorize'],
): Promise<ServerResponse> {
  // What names this server itself never comes here, so that the default values for it do not matter.
  const found = forwardTarget(request.options, { host: '0.0.0.0', port: 0 });
  if (found.kind === 'malformed') return failure(Code.BadOption, `no URI to ask for: ${found.reason}`);
  if (found.kind === 'foreign') return failure(Code.ProxyingNotSupported, `no proxy for ${found.scheme}`);
  const policy = policies.find((one) => one.matches(found.uri));
  const target = proxyTarget(found.uri);
  const refusal = await mayPass(request, target, authorize ?? hasProvedItself);
  if (refusal !== undefined) return refusal;
  // Which of the three it is says something about the network behind the proxy.
  if (policy === undefined || !policy.allowsHost(found.uri)) return notForThis();
  return engine.pass(request, target, policy.upstream);
}

function hasProvedItself({ peer: { security } }: Request): boolean {
  return security.kind !== 'none' && security.authentication.kind !== 'none';
}
