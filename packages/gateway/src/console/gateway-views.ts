/**
 * What the gateway is and how it fares, as the console shows it: endpoints, metrics, who is connected and observes, bridge, proxies.
 */
import type { MqttOptions } from '../bridge/mqtt-options.ts';
import { topicOf } from '../bridge/mqtt-topics.ts';
import type { ProxyCounts } from '../gateway/proxy-counts.ts';
import type { GatewayOperations } from '../operations/gateway-operations.ts';
import type { MetricFamily } from '../operations/metric-families.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { OutboxSize } from '../store/outbox-table.ts';
import { packageVersion } from '../text/package-version.ts';
import { ApiFailure } from './api-failure.ts';
import type {
  BridgeView,
  GatewayFeature,
  GatewayInfo,
  MetricFamilyView,
  ObservationsView,
  ProxyView,
} from './api-types.ts';
import type { Handlers } from './console-api.ts';
import { pageLimit } from './page.ts';
import { associationView, type PeerIndex } from './peer-index.ts';

/** What they look at. */
export interface GatewayViewsParts {
  readonly clock: WallClock;
  readonly operations: Pick<
    GatewayOperations,
    'readiness' | 'families' | 'peers' | 'handshakes' | 'observed' | 'devicesChanged'
  >;
  readonly peers: PeerIndex;
  /** Names with `host:port`, or URIs of lines. */
  readonly endpoints: () => readonly { readonly name: string; readonly address: string }[];
  readonly workers: () => number;
  readonly features: readonly GatewayFeature[];
  readonly bridge: {
    readonly options: MqttOptions | undefined;
    readonly isConnected: () => boolean;
    readonly outboxSize: () => Promise<OutboxSize>;
  };
  readonly proxy: {
    /** Undefined where there is no forward-proxy. */
    readonly targets: readonly string[] | undefined;
    readonly reverse: () => readonly { readonly path: string; readonly uri: string }[];
    readonly counts: () => ProxyCounts;
  };
}

const startedAtMs = Math.round(performance.timeOrigin);

/** Most peers in the list of who observes. */
const mostObservers = 1000;

/** The handlers. */
export function gatewayHandlers(
  parts: GatewayViewsParts,
): Pick<
  Handlers,
  | 'GET /api/gateway'
  | 'GET /api/metrics'
  | 'GET /api/associations'
  | 'GET /api/observations'
  | 'GET /api/bridge'
  | 'GET /api/proxy'
> {
  const { clock, operations, peers } = parts;
  return {
    'GET /api/gateway': async (): Promise<GatewayInfo> => {
      const { status, reasons } = await operations.readiness();
      return {
        ...{ version: packageVersion(), startedAtMs, nowMs: clock() },
        uptimeSeconds: Math.round(performance.now() / 1000),
        endpoints: parts.endpoints(),
        workers: parts.workers(),
        ...{ status, reasons, features: parts.features },
      };
    },
    'GET /api/metrics': async () => ({
      atMs: clock(),
      families: (await operations.families()).map(familyView),
    }),
    'GET /api/associations': async ({ query }) => {
      try {
        const page = await operations.peers(pageLimit(query), query['after']);
        return { associations: page.peers.map(associationView), next: page.next };
      } catch (error) {
        if (error instanceof RangeError) throw new ApiFailure('invalid', error.message);
        throw error;
      }
    },
    'GET /api/observations': async (): Promise<ObservationsView> => {
      const [{ all }, resources] = await Promise.all([peers.peers(), operations.observed()]);
      const observers = all.filter(({ observations }) => observations > 0);
      return {
        total: observers.reduce((sum, { observations }) => sum + observations, 0),
        peers: observers
          .toSorted((one, other) => other.observations - one.observations)
          .slice(0, mostObservers)
          .map(({ identity, address, scheme, worker, observations }) => ({
            ...{ identity, address, scheme, worker, observations },
          })),
        resources,
      };
    },
    'GET /api/bridge': () => bridgeView(parts.bridge),
    'GET /api/proxy': (): ProxyView => ({
      forward: parts.proxy.targets === undefined ? null : { targets: parts.proxy.targets },
      reverse: parts.proxy.reverse().map(({ path, uri }) => ({ path, target: uri })),
      answers: parts.proxy.counts(),
    }),
  };
}

async function bridgeView({
  options,
  isConnected,
  outboxSize,
}: GatewayViewsParts['bridge']): Promise<BridgeView> {
  if (options === undefined) {
    return {
      ...{ isConfigured: false, isConnected: false, broker: null, outboxEntries: 0, outboxBytes: 0 },
      topics: null,
    };
  }
  const { entries, bytes } = await outboxSize();
  const path = '/sensors/7/temperature';
  return {
    ...{ isConfigured: true, isConnected: isConnected(), broker: options.url },
    ...{ outboxEntries: entries, outboxBytes: bytes },
    topics: {
      prefix: options.base,
      examples: [{ path, topic: topicOf(options.topic, { path, identity: '7' }) ?? '' }],
    },
  };
}

function familyView(family: MetricFamily): MetricFamilyView {
  const { name, kind, help } = family;
  if (family.kind !== 'histogram')
    return { name, kind, help, points: family.points.map(({ labels, value }) => ({ labels, value })) };
  return {
    ...{ name, kind, help },
    points: family.points.map(({ labels, durations }) => ({
      labels,
      value: durations.counts.reduce((sum, one) => sum + one, 0),
      sumSeconds: durations.sumSeconds,
    })),
  };
}
