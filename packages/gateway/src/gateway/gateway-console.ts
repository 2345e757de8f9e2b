/**
 * What of a gateway its console sees: put together here, so that neither knows more of the other.
 */
import type { Server } from 'coapsule';
import type { Context } from 'hono';
import type { RefusalAudit } from '../audit/audit-log.ts';
import { Console } from '../console/console.ts';
import { gatewayProof } from '../console/gateway-proof.ts';
import type { ResourceDirectory } from '../directory/resource-directory.ts';
import type { TelemetryApiParts } from '../http/telemetry-api.ts';
import { type HttpClient, type ProxyNetwork, TrustedProxies } from '../http/trusted-proxies.ts';
import type { GatewayOperations } from '../operations/gateway-operations.ts';
import type { PskEntry } from '../server/serve-options.ts';
import { systemSteadyClock } from '../server/steady-clock.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { SleeperState } from '../sleepy/sleepy-devices.ts';
import type { Store } from '../store/store.ts';
import type { GatewayOptions } from './gateway-options.ts';
import type { ProxyCounts } from './proxy-counts.ts';
import type { UpstreamServer } from './upstream-servers.ts';

/** Parts of a gateway that runs. */
export interface GatewayConsoleParts {
  readonly clock: WallClock;
  readonly server: Pick<Server, 'watch' | 'request'>;
  readonly store: Store;
  readonly telemetry: TelemetryApiParts;
  readonly directory: ResourceDirectory;
  readonly operations: GatewayOperations;
  readonly sleeperOf: (device: string) => SleeperState | undefined;
  /** Keys besides those of the store. */
  readonly configured: () => readonly Pick<PskEntry, 'identity'>[];
  readonly endpoints: () => Readonly<Record<string, string | readonly string[]>>;
  readonly workers: () => number;
  readonly broker: () => { readonly isConnected: boolean } | undefined;
  readonly upstreams: () => readonly UpstreamServer[];
  readonly proxyCounts: () => ProxyCounts;
  readonly refusals: RefusalAudit;
}

/** @throws StoreFault when the store cannot be opened once more. */
export function gatewayConsole(
  {
    appFolder,
    dataFolder,
    masterKey,
    log,
    coaps,
    credentials,
    mqtt,
    proxy,
    sleepy,
    traffic,
    steadyClock = systemSteadyClock,
    trustedProxies = [],
  }: Pick<
    GatewayOptions,
    | 'dataFolder'
    | 'masterKey'
    | 'log'
    | 'coaps'
    | 'credentials'
    | 'mqtt'
    | 'proxy'
    | 'sleepy'
    | 'traffic'
    | 'steadyClock'
  > & {
    readonly appFolder: string;
    readonly trustedProxies?: readonly ProxyNetwork[] | undefined;
  },
  parts: GatewayConsoleParts,
): Console {
  const { clock, server, store, telemetry, directory, operations, refusals } = parts;
  const trusted = new TrustedProxies(trustedProxies);
  const reverse = (): readonly UpstreamServer[] => parts.upstreams();
  return new Console({
    ...{ dataFolder, masterKey, log, clock, steadyClock, appFolder, server, store, directory, telemetry },
    refusals,
    proof: gatewayProof(credentials),
    proxyTargets: proxy?.targets ?? [],
    views: {
      operations,
      endpoints: () =>
        Object.entries(parts.endpoints()).flatMap(([name, where]) =>
          [where].flat().map((address) => ({ name, address })),
        ),
      workers: parts.workers,
      bridge: {
        options: mqtt,
        isConnected: () => parts.broker()?.isConnected ?? false,
        outboxSize: () => store.outboxSize(),
      },
      proxy: {
        targets: proxy?.targets.map(({ uri }) => uri),
        reverse,
        counts: parts.proxyCounts,
      },
    },
    traffic,
    features: [
      'collections',
      ...(traffic === undefined ? [] : (['traffic'] as const)),
      ...(coaps === undefined ? [] : (['simulations'] as const)),
      ...(mqtt === undefined ? [] : (['bridge'] as const)),
      ...(proxy === undefined ? [] : (['forward-proxy'] as const)),
      ...(reverse().length === 0 ? [] : (['reverse-proxy'] as const)),
      ...(sleepy === undefined ? [] : (['sleepy'] as const)),
    ],
    devices: {
      sleeperOf: parts.sleeperOf,
      configured: () => parts.configured().map(({ identity }) => identity),
    },
    clientOf: (context) => httpClientOf(context, trusted),
  });
}

/** Who a request of the console comes from. */
function httpClientOf({ env, req }: Context, trusted: TrustedProxies): HttpClient {
  const { incoming } = env as { incoming?: { socket: { remoteAddress?: string; encrypted?: boolean } } };
  return trusted.clientOf({
    // Of a connection that is gone already.
    peer: incoming?.socket.remoteAddress ?? 'unknown',
    // Not the scheme of the target, which the client may write.
    isTls: incoming?.socket.encrypted === true,
    header: (name) => req.header(name),
  });
}
