/**
 * The running gateway: the store, the resources, the endpoints, and who may use them.
 *
 * Started and stopped as one; what can fail at the start fails before anything listens. The options of the command
 * line are read in cli/serve.ts.
 */
import {
  Code,
  failure,
  type Listener,
  type Middleware,
  type PeerInfo,
  type Request,
  RequestFailure,
  type Resource,
  type SerialLineStatus,
  Server,
  type ServerResponse,
} from 'coapsule';
import type { AccessPolicy } from '../access/access.ts';
import { RefusalAudit } from '../audit/audit-log.ts';
import { bridgePeer } from '../bridge/bridge-peer.ts';
import type { MqttBridge } from '../bridge/mqtt-bridge.ts';
import { directoryResources, lookupPaths } from '../directory/directory-resources.ts';
import type { Registration } from '../directory/registration.ts';
import { ResourceDirectory } from '../directory/resource-directory.ts';
import type { HttpEndpoint } from '../http/http-endpoint.ts';
import { demoResources } from '../resources/demo-resources.ts';
import { withCreatedSensors } from '../resources/demo-sensors.ts';
import type { GatewayResource } from '../resources/gateway-resource.ts';
import { openDemoResources } from '../resources/open-demo-resources.ts';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import { type Retention, type TelemetryContext, telemetryResources } from '../resources/telemetry.ts';
import { demoCredentials, weaknessOf } from '../server/demo-credentials.ts';
import { type Log, RateLimit } from '../server/log.ts';
import { endingText, ownClientOptions } from '../server/serve-credentials.ts';
import { type EndpointName, type EndpointScheme, endpointNames } from '../server/serve-options.ts';
import { systemWallClock, type WallClock } from '../server/wall-clock.ts';
import { Store } from '../store/store.ts';
import { StoreFault } from '../store/store-fault.ts';
import { printable } from '../text/printable.ts';
import { AssociationReview } from './association-review.ts';
import { authorised, type Guard, isCovered, type RulesOf, readableBy } from './authorisation.ts';
import { DeviceDirectory } from './device-directory.ts';
import { listen, renewCredentials } from './gateway-listeners.ts';
import type { GatewayOptions, LiveOptions } from './gateway-options.ts';
import { gatewayProxy } from './gateway-proxy.ts';
import { linePeers } from './line-peers.ts';
import { LiveConfiguration } from './live-configuration.ts';
import { OscoreDevices } from './oscore-devices.ts';
import {
  auditErrorLogger,
  errorLogger,
  errorText,
  forbiddenLogger,
  quotaLogger,
  refusedRequest,
  requestLine,
} from './request-log.ts';
import { type GatewayLine, gatewayLines, lineResources } from './serial-lines.ts';
import { UpstreamPaths } from './upstream-servers.ts';

/** Retry hint when the store cannot take a reading now. */
const retrySeconds = 30;

/** When the store could not say which keys count, it is asked again after this time. */
const reviewRetryMs = 1000;

/** What runs, and ends with the gateway. */
interface GatewayParts {
  readonly store: Store;
  readonly server: Server;
  readonly oscore: OscoreDevices;
  readonly listeners: readonly Listener[];
  /** Undefined where it is off. */
  readonly http: HttpEndpoint | undefined;
  /** Undefined without a message broker. */
  readonly bridge: MqttBridge | undefined;
  readonly stopResources: readonly (() => void)[];
  readonly reconfigure: (options: LiveOptions) => Promise<void>;
}

/** A gateway that listens. */
export class Gateway implements AsyncDisposable {
  readonly #parts: GatewayParts;

  /**
   * Open the store and the endpoints.
   *
   * @throws StoreFault or StartUpFault (rejects) with cause and next step; everything is then closed again.
   */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const { log } = options;
    let changed = (): void => {};
    const store = await Store.open(options.dataFolder, {
      onDevicesChanged: () => changed(),
      ...(options.onFailed === undefined ? {} : { onFailed: options.onFailed }),
      ...(options.watchIntervalMs === undefined ? {} : { watchIntervalMs: options.watchIntervalMs }),
    });
    const stops: (() => void)[] = [];
    const live = new LiveConfiguration(options);
    const refusals = new RefusalAudit({
      dataFolder: options.dataFolder,
      clock: options.clock ?? systemWallClock,
      after: systemTickTimer.after,
      onError: auditErrorLogger(log, options.clock ?? systemWallClock),
    });
    stops.push(() => refusals.close());
    const reportError = errorLogger(log, options.clock ?? systemWallClock);
    const server = new Server({ onError: reportError });
    const oscore = new OscoreDevices(store, log, reportError, options.dangerouslyLogOscore);
    try {
      for (const warning of store.warnings) log.warning(warning);
      await warnAboutDevices(store, options);
      const demo = (options.demo ? demoCredentials : []).map(({ identity, key }) => ({
        identity,
        key: new TextEncoder().encode(key),
      }));
      const directory = new DeviceDirectory({
        device: (id) => store.device(id),
        deviceByFingerprint: (fingerprint) => store.deviceByFingerprint(fingerprint),
        keyVersions: (ids) => store.keyVersions(ids),
        demo,
        configured: () => live.options,
        access: () => live.access,
      });
      const lines = await linesOf(store, options);
      await oscore.storeChanged();
      stops.push(() => {
        for (const { client } of lines) void client.close();
      });
      const listeners: Listener[] = [];
      const lineStates = lineResources(lines, () => listeners.flatMap(({ line }) => line ?? []));
      const bridgeSelf = options.mqtt && bridgePeer(options.mqtt);
      const found = { lines, resources: lineStates, registered: await store.registrations(), bridgeSelf };
      const upstreams = addResources(server, store, directory, found, options, live, refusals, stops);
      await upstreams.change(options.upstreams ?? []);
      const review = new AssociationReview({
        directory,
        listeners,
        onError: reportError,
        later: (action) => systemTickTimer.after(reviewRetryMs, action),
      });
      stops.push(() => review.stop());
      const { proxy, clock = systemWallClock } = options;
      if (proxy !== undefined) server.proxy(gatewayProxy(proxy, log, clock));
      await listen({ server, store, listeners, directory, review, lines, oscore, refusals }, options);
      const http = await openHttp(server, options);
      const bridge = await openBridge(server, store, bridgeSelf, options);
      changed = () => {
        directory.storeChanged();
        review.all();
        void oscore.storeChanged();
      };
      // A device may have been changed while the sockets were opened.
      changed();
      const reconfigure = async (next: LiveOptions): Promise<void> => {
        await warnAboutKeys(store, next, log);
        if (next.credentials !== undefined) renewCredentials(listeners, next.credentials, options);
        live.change(next);
        changed();
        await upstreams.change(next.upstreams ?? []);
      };
      return new Gateway({
        store,
        server,
        oscore,
        listeners,
        http,
        bridge,
        stopResources: stops,
        reconfigure,
      });
    } catch (error) {
      for (const stop of stops) stop();
      await server.close();
      await oscore.close();
      await store.close();
      throw error;
    }
  }

  private constructor(parts: GatewayParts) {
    this.#parts = parts;
  }

  /** `host:port` with the real port for each endpoint that is on, in a fixed order; then the URIs of serial lines. */
  get endpoints(): Readonly<Partial<Record<EndpointName | 'http', string>> & { serial?: readonly string[] }> {
    const { http } = this.#parts;
    const order = Object.values(endpointNames);
    const sockets = this.#parts.listeners.filter(({ line }) => line === undefined);
    const lines = this.#parts.listeners.filter(({ line }) => line !== undefined);
    const named = sockets.map((listener): [EndpointName, string] => [
      endpointNames[listener.scheme as EndpointScheme],
      listener.uri.slice(listener.scheme.length + 3),
    ]);
    return {
      ...Object.fromEntries(named.sort(([one], [other]) => order.indexOf(one) - order.indexOf(other))),
      ...(http !== undefined && { http: http.address }),
      ...(lines.length > 0 && { serial: lines.map(({ uri }) => uri) }),
    };
  }

  /** How each serial line fares. */
  get lines(): readonly SerialLineStatus[] {
    return this.#parts.listeners.flatMap(({ line }) => line ?? []);
  }

  /** Counts from now on, all of it: associations whose key is still the same go on. */
  async reconfigure(options: LiveOptions): Promise<void> {
    await this.#parts.reconfigure(options);
  }

  /** Keep the associations for the next process, close the sockets, finish the writes, give the data folder free. */
  async close(): Promise<void> {
    const { stopResources, server, oscore, http, bridge, store } = this.#parts;
    for (const stop of stopResources) stop();
    await http?.close();
    await server.close();
    await oscore.close();
    await bridge?.close();
    await store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The HTTP endpoint; what it needs is loaded only where there is one. */
async function openHttp(
  server: Server,
  { http: options, log }: GatewayOptions,
): Promise<HttpEndpoint | undefined> {
  if (options === undefined) return undefined;
  const { HttpEndpoint: Endpoint } = await import('../http/http-endpoint.ts');
  return Endpoint.open({ options, server, log });
}

/** The connection to a message broker; what it needs is loaded only where there is one. */
async function openBridge(
  server: Server,
  store: Store,
  peer: PeerInfo | undefined,
  { mqtt: options, dataFolder, log, clock = systemWallClock }: GatewayOptions,
): Promise<MqttBridge | undefined> {
  if (options === undefined || peer === undefined) return undefined;
  const { MqttBridge: Bridge } = await import('../bridge/mqtt-bridge.ts');
  return new Bridge({ options, server, store, peer, dataFolder, log, clock });
}

/** No switch of the whole gateway counts, only the rules of each device. */
const rulesAlone: AccessPolicy = { dangerouslyAllowPlainWrites: false, openReads: false };

function addResources(
  server: Server,
  store: Store,
  directory: DeviceDirectory,
  found: {
    readonly lines: readonly GatewayLine[];
    readonly resources: readonly GatewayResource[];
    readonly registered: readonly Registration[];
    /** As whom the bridge to a message broker asks. */
    readonly bridgeSelf: PeerInfo | undefined;
  },
  options: GatewayOptions,
  live: LiveConfiguration,
  refusals: RefusalAudit,
  stops: (() => void)[],
): UpstreamPaths {
  const notify = (path: string): void => server.notify(path);
  const clock = options.clock ?? systemWallClock;
  const policy: AccessPolicy = {
    dangerouslyAllowPlainWrites: options.dangerouslyAllowPlainWrites ?? false,
    openReads: options.demo ?? false,
  };
  const openPaths = (options.demo ? ['/sensor', '/sensors/temp'] : []).map((path) => ({
    path,
    initial: '22.5',
  }));
  const retention = (): Retention => live.retention;
  const onQuotaExceeded = quotaLogger(options.log, clock);
  const onLine = linePeers(
    directory,
    found.lines.flatMap(({ psk }) => psk ?? []),
  );
  const rulesOf: RulesOf = async (identity, stamp, peer) =>
    directory.rules(identity, stamp ?? (await onLine(peer)));
  const readable: TelemetryContext['readable'] = (request) => readableBy(request, policy, rulesOf);
  // What came from the broker does not go back there.
  const outboxBytes = ({ peer }: Request): number | undefined =>
    peer === found.bridgeSelf ? undefined : options.mqtt?.queueBytes;
  const telemetry = { store, notify, clock, retention, outboxBytes, onQuotaExceeded, readable };
  const kept = telemetryResources(telemetry, openPaths);
  const resources = options.demo ? [...withCreatedSensors(kept, notify)] : [...kept];
  if (options.demo) {
    for (const made of [demoResources(notify, systemTickTimer), openDemoResources(notify, systemTickTimer)]) {
      resources.push(...made.resources);
      stops.push(made.stop);
    }
  }
  const registry = new ResourceDirectory({
    store,
    registrations: found.registered,
    clock,
    timer: systemTickTimer,
    onChange: () => Object.values(lookupPaths).forEach(notify),
    onError: errorLogger(options.log, clock),
  });
  stops.push(() => registry.stop());
  const covered = (request: Request): Promise<boolean> => isCovered(request, policy, rulesOf);
  resources.push(...directoryResources({ directory: registry, isCovered: covered }));
  const logForbidden = forbiddenLogger(options.log, clock);
  const onRefused: Guard['onRefused'] = (request, refusal, rules) => {
    if (refusal === 'forbidden') logForbidden(request, rules);
    refusals.add(refusedRequest(request, refusal));
  };
  const guarded = ({ protection, resource }: GatewayResource, rules: AccessPolicy): Resource =>
    authorised(resource, protection, { policy: rules, rulesOf, access: () => live.access, onRefused });
  for (const resource of resources) server.resource(resource.path, guarded(resource, policy));
  // What opens the store, or the demo, opens no devices and no other servers.
  for (const resource of found.resources) server.resource(resource.path, guarded(resource, rulesAlone));
  server.use(requestLogger(options.log));
  server.use(storeFaultsAsUnavailable(options.log, clock));
  return new UpstreamPaths(server, (resource) => guarded(resource, rulesAlone), options.log, clock);
}

/** The log may begin to want lines at any time. */
function requestLogger(log: Log): Middleware {
  return (request, next) => (log.verbosity < 1 ? next() : logged(log, request, next));
}

async function logged(log: Log, request: Request, next: Parameters<Middleware>[1]): Promise<ServerResponse> {
  try {
    const response = await next();
    log.detail(1, requestLine(request, response));
    return response;
  } catch (error) {
    // The server makes the answer of it; any other error is its 5.00.
    const code = error instanceof RequestFailure ? error.code : Code.InternalServerError;
    log.detail(1, requestLine(request, { code }));
    throw error;
  }
}

/** RFC 7252 §5.9.3.4: 5.03 with Max-Age says when to try again; nothing was stored. */
function storeFaultsAsUnavailable(log: Log, clock: WallClock): Middleware {
  const limit = new RateLimit(1, 10_000);
  return async (_request, next) => {
    try {
      return await next();
    } catch (error) {
      if (!(error instanceof StoreFault)) throw error;
      const passed = limit.pass(clock());
      if (passed !== undefined) {
        const more = passed.heldBack === 0 ? '' : ` (and ${passed.heldBack} requests before, not shown)`;
        log.error(`${errorText(error)}${more}`);
      }
      return {
        ...failure(Code.ServiceUnavailable, 'the store cannot take it now'),
        maxAgeSeconds: retrySeconds,
      };
    }
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
    (await store.devices()).some(({ credential }) => credential.kind !== 'oscore');
  return gatewayLines({
    lines: serial,
    hasCredentials,
    clientOptions: (uri) => ({ ...ownClientOptions(credentials), ...lineCredentials?.(uri) }),
    log,
  });
}

async function warnAboutDevices(store: Store, options: GatewayOptions): Promise<void> {
  const devices = await store.devices();
  const now = (options.clock ?? systemWallClock)();
  for (const { id, credential } of devices) {
    const weakness = credential.kind === 'psk' ? weaknessOf(credential.key) : undefined;
    if (weakness !== undefined) options.log.warning(`the key of device ${printable(id)} ${weakness}`);
    if (credential.kind !== 'cert' || credential.expiresAtMs === undefined) continue;
    const ending = endingText(credential.expiresAtMs, now);
    if (ending !== undefined) options.log.warning(`the certificate of device ${printable(id)} ${ending}`);
  }
  if (
    options.credentials === undefined &&
    devices.some(({ credential: { kind } }) => kind === 'rpk' || kind === 'cert')
  ) {
    options.log.warning(
      'there are devices with a raw public key or certificate, which cannot connect: give --private-key, and --cert and --ca for certificates',
    );
  }
  await warnAboutKeys(store, options, options.log);
  const { anyIdentityKey, coaps, demo, log } = options;
  if (demo)
    log.warning('demo: everyone may use the demo resources, with published keys; not for real devices');
  if (options.proxy !== undefined && (demo || options.proxy.dangerouslyForEveryone)) {
    const why = options.proxy.dangerouslyForEveryone ? '' : ': the demo keys are published';
    log.warning(
      `EVERYONE MAY USE THE PROXY${why}; whoever reaches it reaches the servers that --proxy names`,
    );
  }
  if (options.dangerouslyAllowPlainWrites) {
    log.warning('PLAIN WRITES ARE ALLOWED: everyone who reaches the coap port can read and store readings');
  }
  if (options.dangerouslyUnlimitedAmplification) {
    log.warning(
      'AMPLIFICATION IS NOT LIMITED: who spoofs an address over plain coap floods it with a hundred times what he sends',
    );
  }
  const nobody = devices.length === 0 && (options.psks ?? []).length === 0 && anyIdentityKey === undefined;
  if (coaps !== undefined && nobody && !demo) {
    log.warning(
      'there is no device yet, so no secured peer can connect; add one with: coapsule device add ID',
    );
  }
}

/** Of keys that do not come from the store. */
async function warnAboutKeys(
  store: Store,
  { psks = [], anyIdentityKey }: LiveOptions,
  log: Log,
): Promise<void> {
  const devices = await store.devices();
  for (const { identity, key } of psks) {
    const weakness = weaknessOf(key);
    if (weakness !== undefined) log.warning(`the key of ${printable(identity)} ${weakness}`);
    if (devices.some(({ id }) => id === identity)) {
      log.warning(`${printable(identity)} is also a device of the store; the key given with --psk counts`);
    }
  }
  if (anyIdentityKey === undefined) return;
  log.warning('ANY IDENTITY IS ACCEPTED: whoever has the one key of --psk "*:KEY" can pose as any device');
  const weakness = weaknessOf(anyIdentityKey);
  if (weakness !== undefined) log.warning(`the key for any identity ${weakness}`);
}
