/**
 * The gateway as a forward-proxy: off unless servers are named that it may ask.
 */
import { hostname } from 'node:os';
import { type ClientOptions, forwardProxy, type ProxyHandler, type TargetRule } from 'coapsule';
import { provenDevice } from '../access/proven-device.ts';
import type { Log } from '../server/log.ts';
import { RateLimit } from '../server/log.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { printable } from '../text/printable.ts';

/** What `coapsule serve` is told of it. */
export interface GatewayProxyOptions {
  /** Patterns of URIs, such as `coap://*.sensors.example`, with what the gateway proves itself with there. */
  readonly targets: readonly { readonly uri: string; readonly client?: ClientOptions }[];
  /** Networks that are not of the public Internet and that the servers may be in. */
  readonly networks: readonly string[];
  /** Also clients that have proved nothing may use it. */
  readonly dangerouslyForEveryone: boolean;
}

/**
 * Makes the proxy.
 *
 * @throws ApiMisuseError for a pattern or network that is none.
 */
export function gatewayProxy(options: GatewayProxyOptions, log: Log, clock: WallClock): ProxyHandler {
  const { targets, networks, dangerouslyForEveryone } = options;
  const limit = new RateLimit(1, 10_000);
  return forwardProxy({
    targets: targets.map((target): TargetRule => ({ ...target, networks })),
    names: [hostname()],
    authorize: ({ peer }) => dangerouslyForEveryone || provenDevice(peer) !== undefined,
    onLoop(_request, { uri }) {
      const passed = limit.pass(clock());
      if (passed === undefined) return;
      const more = passed.heldBack === 0 ? '' : ` (and ${passed.heldBack} before, not shown)`;
      log.warning(`a request for ${printable(uri)} goes round through this proxy${more}`);
    },
  });
}
