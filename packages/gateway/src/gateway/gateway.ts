/**
 * The running gateway: the store, the resources, the endpoints, and who may use them.
 *
 * Started and stopped as one; what can fail at the start fails before anything listens. The options of the command
 * line are read in cli/serve.ts.
 */
import { randomBytes } from 'node:crypto';
import { type Listener, type PeerInfo, type PortWorker, type SerialLineStatus, Server } from 'coapsule';
import { ChangeAudit, RefusalAudit } from '../audit/audit-log.ts';
import { bridgePeer } from '../bridge/bridge-peer.ts';
import type { MqttBridge } from '../bridge/mqtt-bridge.ts';
import type { Console } from '../console/console.ts';
import type { HttpEndpoint } from '../http/http-endpoint.ts';
import { Farewell } from '../operations/farewell.ts';
import { GatewayOperations } from '../operations/gateway-operations.ts';
import type { MetricsEndpoint } from '../operations/metrics-endpoint.ts';
import { OperatorSocket } from '../operations/operator-socket.ts';
import { ThreadOperations } from '../operations/thread-operations.ts';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import { demoKeys } from '../server/demo-credentials.ts';
import { lifetimeAnchor, lifetimeClock, timeOfDay } from '../server/lifetime-clock.ts';
import { ownClientOptions, tellCredentials } from '../server/serve-credentials.ts';
import { type EndpointName, type EndpointScheme, endpointNames } from '../server/serve-options.ts';
import { systemWallClock } from '../server/wall-clock.ts';
import type { Sharing } from '../shared/sharing.ts';
import { noticeDevices, openSleepy, SleepyRegistrants } from '../sleepy/open-sleepy.ts';
import type { EndedOverlap } from '../store/previous-table.ts';
import { Store } from '../store/store.ts';
import { packageVersion } from '../text/package-version.ts';
import { printable } from '../text/printable.ts';
import { listen, renewCredentials } from './gateway-listeners.ts';
import { type GatewayOptions, type LiveOptions, observerLimits } from './gateway-options.ts';
import { gatewayProxy } from './gateway-proxy.ts';
import { addResources, registryOf } from './gateway-resources.ts';
import { GatewayWorkers } from './gateway-workers.ts';
import { linePeers } from './line-peers.ts';
import { LiveConfiguration } from './live-configuration.ts';
import { loadHttp, openBridge, openConsole, openHttp, openMetrics, openSharing } from './optional-parts.ts';
import { OscoreDevices } from './oscore-devices.ts';
import { ProxyCounter, type ProxyCounts } from './proxy-counts.ts';
import { auditErrorLogger, errorLogger } from './request-log.ts';
import { ResourceRules, useGatewayMiddleware } from './resource-rules.ts';
import { ReviewedDevices } from './reviewed-devices.ts';
import { type GatewayLine, gatewayLines, lineResources } from './serial-lines.ts';
import { ServedResources } from './served-resources.ts';
import { warnAboutDevices, warnAboutKeys } from './start-warnings.ts';
import { UpstreamPaths } from './upstream-servers.ts';

/** What runs, and ends with the gateway. */
interface GatewayParts {
  readonly store: Store;
  readonly oscore: OscoreDevices;
  readonly listeners: readonly Listener[];
  readonly proxyCounter: ProxyCounter;
  /** Undefined where it is off. */
  readonly http: HttpEndpoint | undefined;
  readonly console: Console | undefined;
  /** Logs somebody in at the console, once. */
  readonly consoleLink: string | undefined;
  readonly metrics: MetricsEndpoint | undefined;
  /** Undefined where the system has no such sockets. */
  readonly operator: OperatorSocket | undefined;
  readonly stops: readonly (() => void)[];
  readonly reconfigure: (options: LiveOptions) => Promise<void>;
  /** Those of all workers. */
  readonly closeServers: () => Promise<void>;
  readonly workers: GatewayWorkers | undefined;
  /** Undefined without a message broker. */
  readonly bridge: MqttBridge | undefined;
  /** Undefined where nothing is shared with other gateways. */
  readonly sharing: Sharing | undefined;
}

/** `host:port` of each endpoint by its name, and URIs of lines. */
type NamedEndpoints = Readonly<
  Partial<Record<EndpointName | 'http' | 'metrics', string>> & { serial?: readonly string[] }
>;

/** A gateway that listens. */
export class Gateway implements AsyncDisposable {
  readonly #parts: GatewayParts;

  /**
   * Open the store and the endpoints.
   *
   * @throws StoreFault or StartUpFault (rejects) with cause and next step; everything is then closed again.
   */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const { log, clock = systemWallClock } = options;
    let workers: GatewayWorkers | undefined;
    let http: HttpEndpoint | undefined;
    let webConsole: Console | undefined;
    let metrics: MetricsEndpoint | undefined;
    let operator: OperatorSocket | undefined;
    let bridge: MqttBridge | undefined;
    let changed = (): void => {};
    loadHttp(options);
    const store = await Store.open(options.dataFolder, {
      masterKey: options.masterKey,
      onDevicesChanged: () => changed(),
      onWarning: (text) => log.warning(text),
      onOverlapEnded: (ended) => tellOfOverlap(ended, options),
      ...(options.onFailed === undefined ? {} : { onFailed: options.onFailed }),
      ...(options.watchIntervalMs === undefined ? {} : { watchIntervalMs: options.watchIntervalMs }),
    });
    const stops: (() => void)[] = [];
    let sharing: Sharing | undefined;
    const live = new LiveConfiguration(options);
    const refusals = new RefusalAudit({
      dataFolder: options.dataFolder,
      clock,
      after: systemTickTimer.after,
      onError: auditErrorLogger(log, clock),
    });
    stops.push(() => refusals.close());
    const reportError = errorLogger(log, clock);
    const server = new Server({ onError: reportError, ...observerLimits(options) });
    const oscore = new OscoreDevices(store, log, reportError, options.dangerouslyLogOscore);
    try {
      for (const warning of store.warnings) log.warning(warning);
      const lifetimes = await lifetimeAnchor(store, clock);
      const lasting = lifetimeClock(lifetimes);
      store.useLifetimes(lasting);
      sharing = await openSharing(store, options);
      await warnAboutDevices(store, options);
      const listeners: Listener[] = [];
      const { demo = false } = options;
      const devices = new ReviewedDevices({ store, live, demo, listeners, clock, onError: reportError });
      const { directory, review } = devices;
      stops.push(() => devices.stop());
      const lines = await linesOf(store, options);
      await oscore.storeChanged();
      stops.push(() => {
        for (const { client } of lines) void client.close();
      });
      const lineStates = lineResources(lines, () => listeners.flatMap(({ line }) => line ?? []));
      const bridgeSelf = options.mqtt && bridgePeer(options.mqtt);
      const onLine = linePeers(
        directory,
        lines.flatMap(({ psk }) => psk ?? []),
      );
      const rules = new ResourceRules({ ...{ directory, live, options, clock, onLine, refusals } });
      const operations = new ThreadOperations({
        ...{ listeners, store, log, clock, worker: 0 },
        overload: () => live.overload,
        rateOf: (identity) => live.access.rateOf(identity),
      });
      stops.push(() => operations.stop());
      const farewell = new Farewell();
      const served = new ServedResources(server, ({ resource, ...entry }) =>
        rules.guarded({ ...entry, resource: operations.gated(resource) }),
      );
      const parts = {
        ...{ server, store, served, rules, live, stops, options, clock, lasting, lineStates },
        ...{ bridgeSelf, sharing },
      };
      const sleepers =
        options.sleepy &&
        (await openSleepy({
          ...{ server, options: options.sleepy, store, clock: lasting },
          ...{ timer: systemTickTimer, onError: reportError },
        }));
      stops.push(() => sleepers?.stop());
      const registrants = new SleepyRegistrants();
      const registry = registryOf(parts, await store.registrations(), () => registrants.changed());
      await addResources({ ...parts, sleepers, registrants }, registry);
      useGatewayMiddleware(server, log, clock, [...operations.middleware, farewell.middleware]);
      if (sleepers !== undefined) noticeDevices(server, sleepers);
      // One that says nothing of the network, and that no other proxy has (RFC 8768 §4).
      const proxyName = `gateway-${randomBytes(4).toString('hex')}`;
      const proxyCounter = new ProxyCounter();
      const upstreams = new UpstreamPaths(served, {
        ...{ log, clock, name: proxyName },
        onAnswer: proxyCounter.add,
      });
      await upstreams.change(options.upstreams ?? []);
      const proxy =
        options.proxy &&
        gatewayProxy(options.proxy, { ...{ log, clock, name: proxyName }, onAnswer: proxyCounter.add });
      if (proxy !== undefined) server.proxy(proxy);
      const context = {
        ...{ server, store, listeners, directory, review, lines, refusals },
        oscore: oscore.contexts,
        noteAssociation: operations.noteAssociation,
        nodes: sharing?.nodes,
      };
      if (options.workers === undefined || options.workers === 1) await listen(context, options);
      else {
        const { workers: count } = options;
        const first = (worker: PortWorker): Promise<void> => listen(context, options, worker);
        workers = await GatewayWorkers.start({
          ...{ count, first, store, served, proxy, live, options, refusals, lifetimes },
          notify: (path) => server.notify(path),
        });
      }
      const readableBy = (peer: PeerInfo) => rules.readableByPeer(peer);
      const watched = new GatewayOperations({
        ...{ dataFolder: options.dataFolder, version: packageVersion(), own: operations, listeners, store },
        others: () => workers?.others() ?? [],
        nodes: () => sharing?.nodes?.counts,
        devicesChanged: async () => {
          changed();
          // It has begun: this is when it is done.
          await oscore.storeChanged();
        },
        broker: () => bridge,
        httpStreams: () => http && http.streams + (webConsole?.streams ?? 0),
      });
      const telemetry = { store, readableBy, clock };
      webConsole = await openConsole(options, {
        ...{ clock, server, store, telemetry, directory: registry, operations: watched },
        sleeperOf: (device) => {
          const state = sleepers?.stateOf(device);
          const heardAtMs = state?.heardAtMs && timeOfDay(state.heardAtMs, lasting, clock);
          return state && { ...state, heardAtMs };
        },
        configured: () => [...(live.options.psks ?? []), ...(demo ? demoKeys : [])],
        endpoints: () => namedEndpoints({ listeners, http, metrics }),
        workers: () => (workers?.others().length ?? 0) + 1,
        broker: () => bridge,
        upstreams: () => live.options.upstreams ?? [],
        proxyCounts: () => proxyCounter.counts,
        refusals,
      });
      http = await openHttp(server, watched, options, proxyName, telemetry, webConsole);
      if (http !== undefined && proxy !== undefined) {
        for (const link of http.proxyLinks) {
          server.link(link);
          workers?.link(link);
        }
      }
      metrics = await openMetrics(watched, options);
      operator = await OperatorSocket.open(options.dataFolder, watched, (text) => log.detail(0, text));
      bridge = await openBridge(server, store, bridgeSelf, options);
      changed = () => {
        devices.changed();
        void oscore.storeChanged();
        sharing?.devicesChanged();
      };
      // A device may have been changed while the sockets were opened.
      changed();
      await sharing?.start({
        directory: registry,
        notify: (path) => server.notify(path),
        watch: (told) => server.watch(told),
      });
      const reconfigure = async (next: LiveOptions): Promise<void> => {
        // All that can fail comes first: a configuration is taken whole, or not at all.
        const applyUpstreams = upstreams.plan(next.upstreams ?? []);
        await warnAboutKeys(store, next, log);
        if (next.credentials !== undefined) {
          tellCredentials(next.credentials, log, clock());
          renewCredentials(listeners, next.credentials);
        }
        if (next.httpSecrets !== undefined) http?.renew(next.httpSecrets);
        live.change(next);
        changed();
        workers?.configurationChanged(next.credentials);
        await applyUpstreams();
      };
      const closeServers = async (): Promise<void> => {
        watched.stopping();
        const others = workers?.others() ?? [];
        await Promise.allSettled([
          farewell.say(listeners, systemTickTimer),
          ...others.map((ask) => ask('farewell', undefined)),
        ]);
        await watched.close();
        await workers?.close();
        await server.close();
      };
      const consoleLink = http && webConsole?.opened(http.address, options.http?.tls !== undefined);
      return new Gateway({
        ...{ store, oscore, listeners, stops, reconfigure, closeServers, bridge, http, proxyCounter },
        ...{ workers, sharing, metrics, operator, console: webConsole, consoleLink },
      });
    } catch (error) {
      for (const stop of stops) stop();
      webConsole?.close();
      await http?.close();
      await metrics?.close();
      await operator?.close();
      await workers?.close();
      await server.close();
      await oscore.close();
      await bridge?.close();
      await sharing?.close();
      await store.close();
      throw error;
    }
  }

  private constructor(parts: GatewayParts) {
    this.#parts = parts;
  }

  /** `host:port` with the real port for each endpoint that is on, in a fixed order; then the URIs of serial lines. */
  get endpoints(): NamedEndpoints {
    return namedEndpoints(this.#parts);
  }

  /** A link that logs somebody in at the console, once, in the next minutes; undefined without a console. */
  get consoleLink(): string | undefined {
    return this.#parts.consoleLink;
  }

  /** Threads that serve coap and coaps, this one among them. */
  get workers(): number {
    return (this.#parts.workers?.others().length ?? 0) + 1;
  }

  /** How each serial line fares. */
  get lines(): readonly SerialLineStatus[] {
    return this.#parts.listeners.flatMap(({ line }) => line ?? []);
  }

  /** How many answers of its proxies came from where, since the start. */
  get proxyCounts(): ProxyCounts {
    return this.#parts.proxyCounter.counts;
  }

  /** Counts from now on, all of it: associations whose key is still the same go on. */
  async reconfigure(options: LiveOptions): Promise<void> {
    await this.#parts.reconfigure(options);
  }

  /** What the log shows has changed. */
  logAdjusted(): void {
    this.#parts.workers?.configurationChanged();
  }

  /** Keep the associations for the next process, close the sockets, finish the writes, give the data folder free. */
  async close(): Promise<void> {
    const { stops, closeServers, oscore, http, metrics, operator, bridge, sharing, store } = this.#parts;
    const { console: webConsole } = this.#parts;
    for (const stop of stops) stop();
    webConsole?.close();
    await http?.close();
    await closeServers();
    await metrics?.close();
    await operator?.close();
    await oscore.close();
    await bridge?.close();
    await sharing?.close();
    await store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** In a fixed order. */
function namedEndpoints({
  listeners,
  http,
  metrics,
}: Pick<GatewayParts, 'listeners' | 'http' | 'metrics'>): NamedEndpoints {
  const order = Object.values(endpointNames);
  const sockets = listeners.filter(({ line }) => line === undefined);
  const lines = listeners.filter(({ line }) => line !== undefined);
  const named = sockets.map((listener): [EndpointName, string] => [
    endpointNames[listener.scheme as EndpointScheme],
    listener.uri.slice(listener.scheme.length + 3),
  ]);
  return {
    ...Object.fromEntries(named.sort(([one], [other]) => order.indexOf(one) - order.indexOf(other))),
    ...(http !== undefined && { http: http.address }),
    ...(metrics !== undefined && { metrics: metrics.address }),
    ...(lines.length > 0 && { serial: lines.map(({ uri }) => uri) }),
  };
}

/** A line that does not say whether it is secured is, as soon as somebody could prove himself. */
async function linesOf(store: Store, options: GatewayOptions): Promise<readonly GatewayLine[]> {
  const { serial = [], demo, psks = [], anyIdentityKey, credentials, lineCredentials, log } = options;
  if (serial.length === 0) return [];
  const hasCredentials =
    demo === true ||
    psks.length > 0 ||
    anyIdentityKey !== undefined ||
    credentials !== undefined ||
    // A device under OSCORE has nothing to shake hands with.
    (await store.credentialKinds()).some((kind) => kind !== 'oscore');
  return gatewayLines({
    lines: serial,
    hasCredentials,
    clientOptions: (uri) => ({ ...ownClientOptions(credentials), ...lineCredentials?.(uri) }),
    log,
  });
}

/** The device itself has brought it about. */
function tellOfOverlap(
  { deviceId, keyVersion }: EndedOverlap,
  { log, dataFolder, clock = systemWallClock }: GatewayOptions,
): void {
  log.detail(0, `${printable(deviceId)} uses its new credential; the one before does not count any more`);
  new ChangeAudit(dataFolder, clock, (text) => log.warning(text)).add({
    event: 'credential-retired',
    how: 'first use of the new one',
    device: deviceId,
    version: keyVersion,
  });
}
