/**
 * Servers behind the gateway, such as the cloud, whose resources are at paths of it (RFC 7252 §5.7.3).
 *
 * Devices ask them as their rules allow, over any endpoint. On the way to the server it is the gateway that asks: with an OSCORE
 * context of its own, it is that end, and reads what it passes on (docs/oscore.md).
 */
import { type ClientOptions, type CoapsuleError, reverseProxy } from 'coapsule';
import type { GatewayResource } from '../resources/gateway-resource.ts';
import { type Log, RateLimit } from '../server/log.ts';
import type { WallClock } from '../server/wall-clock.ts';

/** A path of the gateway that another server serves. */
export interface UpstreamServer {
  /** `/cloud`. */
  readonly path: string;
  /** The server and the path there that `path` stands for. */
  readonly uri: string;
  /** As whom it is asked. */
  readonly client: ClientOptions;
}

/**
 * Everything below the paths.
 *
 * @throws ApiMisuseError for a path or URI that cannot be.
 */
export function upstreamResources(
  servers: readonly UpstreamServer[],
  log: Log,
  clock: WallClock,
): readonly GatewayResource[] {
  const failed = failureLogger(log, clock);
  return servers.map(({ path, uri, client }) => ({
    path: `${path}/*`,
    protection: 'guarded',
    resource: reverseProxy({
      below: path,
      to: uri,
      client,
      onFailure: (error) => failed(path, error),
    }),
  }));
}

/** What a device gets as 5.02 or 5.04 has a cause that only the gateway can mend. */
function failureLogger(log: Log, clock: WallClock): (path: string, error: CoapsuleError) => void {
  const limit = new RateLimit(1, 10_000);
  return (path, { message, nextStep }) => {
    const passed = limit.pass(clock());
    if (passed === undefined) return;
    const more = passed.heldBack === 0 ? '' : ` (and ${passed.heldBack} before, not shown)`;
    log.warning(`${path}: ${message}; ${nextStep}${more}`);
  };
}
