/**
 * The running gateway: the store, the resources, the endpoints, and who may use them.
 *
 * Started and stopped as one; what can fail at the start fails before anything listens. The options of the command
 * line are read in cli/serve.ts.
 */
import {
  type AssociationEvent,
  Code,
  failure,
  type Listener,
  type ListenOptions,
  type Middleware,
  type MulticastListenOptions,
  RequestFailure,
  Server,
  type TraceEvent,
} from 'coapsule';
import type { AccessPolicy } from '../access/access.ts';
import { demoResources } from '../resources/demo-resources.ts';
import { withCreatedSensors } from '../resources/demo-sensors.ts';
import { openDemoResources } from '../resources/open-demo-resources.ts';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import {
  defaultRetention,
  type Retention,
  type TelemetryContext,
  telemetryResources,
} from '../resources/telemetry.ts';
import { demoCredentials, weaknessOf } from '../server/demo-credentials.ts';
import { type Log, RateLimit } from '../server/log.ts';
import {
  endingText,
  type GatewayCredentials,
  listenCredentials,
  tellCredentials,
} from '../server/serve-credentials.ts';
import {
  type EndpointAddress,
  type EndpointName,
  type EndpointScheme,
  endpointNames,
  type PskEntry,
  type StreamScheme,
} from '../server/serve-options.ts';
import { endpointFault } from '../server/start-up-fault.ts';
import { systemWallClock, type WallClock } from '../server/wall-clock.ts';
import { Store } from '../store/store.ts';
import { StoreFault } from '../store/store-fault.ts';
import { printable } from '../text/printable.ts';
import { AssociationReview } from './association-review.ts';
import { AssociationStorage } from './association-storage.ts';
import { authorised, type RulesOf, readableBy } from './authorisation.ts';
import { DeviceDirectory } from './device-directory.ts';
import { type GatewayProxyOptions, gatewayProxy } from './gateway-proxy.ts';
import {
  associationLogger,
  errorLogger,
  errorText,
  expiryLogger,
  forbiddenLogger,
  quotaLogger,
  requestLine,
  unknownIdentityLogger,
  unknownPeerLogger,
} from './request-log.ts';

/** What a gateway is made of. */
export interface GatewayOptions {
  readonly dataFolder: string;
  /** Undefined turns the endpoint off. */
  readonly coap: EndpointAddress | undefined;
  readonly coaps: EndpointAddress | undefined;
  /** Joins the groups of all CoAP nodes with the plain endpoint; undefined: none. */
  readonly multicast?: Pick<MulticastListenOptions, 'interfaces'> | undefined;
  /** Those over TCP, TLS and WebSocket. */
  readonly streams?: readonly { readonly scheme: StreamScheme; readonly address: EndpointAddress }[];
  readonly log: Log;
  readonly demo?: boolean;
  readonly psks?: readonly PskEntry[];
  readonly anyIdentityKey?: Uint8Array | undefined;
  readonly pskHint?: string | undefined;
  /** False takes devices without extended master secret (RFC 7627) too. */
  readonly requireExtendedMasterSecret?: boolean;
  /** For certificates and raw public keys; without them there are pre-shared keys only. */
  readonly credentials?: GatewayCredentials | undefined;
  /** Gets lines of the TLS key log: whoever has them can decrypt. */
  readonly keylog?: ((line: string) => void) | undefined;
  /** Gets every message, handshake step and discarded datagram. */
  readonly trace?: ((event: TraceEvent) => void) | undefined;
  readonly dangerouslyAllowPlainWrites?: boolean;
  /** Answers of any size go to addresses over plain coap that nothing proves. */
  readonly dangerouslyUnlimitedAmplification?: boolean;
  /** Undefined: no forward-proxy; requests for one are answered 5.05. */
  readonly proxy?: GatewayProxyOptions | undefined;
  /** How much is kept of what devices send. */
  readonly retention?: Partial<Retention>;
  readonly clock?: WallClock;
  /** How often the store looks for changes of `coapsule device`. */
  readonly watchIntervalMs?: number;
  /** The store ended by itself; the gateway is of no more use. */
  readonly onFailed?: (fault: StoreFault) => void;
}

/** Retry hint when the store cannot take a reading now. */
const retrySeconds = 30;

/** When the store could not say which keys count, it is asked again after this time. */
const reviewRetryMs = 1000;

/** A gateway that listens. */
export class Gateway implements AsyncDisposable {
  readonly #store: Store;
  readonly #server: Server;
  readonly #listeners: readonly Listener[];
  readonly #stopResources: readonly (() => void)[];

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
    const reportError = errorLogger(log, options.clock ?? systemWallClock);
    const server = new Server({ onError: reportError });
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
        psks: options.psks ?? [],
        demo,
        anyIdentityKey: options.anyIdentityKey,
      });
      addResources(server, store, directory, options, stops);
      const listeners: Listener[] = [];
      const review = new AssociationReview({
        directory,
        listeners,
        onError: reportError,
        later: (action) => systemTickTimer.after(reviewRetryMs, action),
      });
      stops.push(() => review.stop());
      const { proxy, clock = systemWallClock } = options;
      if (proxy !== undefined) server.proxy(gatewayProxy(proxy, log, clock));
      await listen(server, store, listeners, directory, review, options);
      changed = () => {
        directory.storeChanged();
        review.all();
      };
      // A device may have been changed while the sockets were opened.
      changed();
      return new Gateway(store, server, listeners, stops);
    } catch (error) {
      for (const stop of stops) stop();
      await server.close();
      await store.close();
      throw error;
    }
  }

  private constructor(
    store: Store,
    server: Server,
    listeners: readonly Listener[],
    stopResources: readonly (() => void)[],
  ) {
    this.#store = store;
    this.#server = server;
    this.#listeners = listeners;
    this.#stopResources = stopResources;
  }

  /** `host:port` with the real port for each endpoint that is on, in a fixed order. */
  get endpoints(): Readonly<Partial<Record<EndpointName, string>>> {
    const order = Object.values(endpointNames);
    const named = this.#listeners.map((listener): [EndpointName, string] => [
      endpointNames[listener.scheme as EndpointScheme],
      listener.uri.slice(listener.scheme.length + 3),
    ]);
    return Object.fromEntries(named.sort(([one], [other]) => order.indexOf(one) - order.indexOf(other)));
  }

  /** Keep the associations for the next process, close the sockets, finish the writes, give the data folder free. */
  async close(): Promise<void> {
    for (const stop of this.#stopResources) stop();
    await this.#server.close();
    await this.#store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function addResources(
  server: Server,
  store: Store,
  directory: DeviceDirectory,
  options: GatewayOptions,
  stops: (() => void)[],
): void {
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
  const retention = { ...defaultRetention, ...options.retention };
  const onQuotaExceeded = quotaLogger(options.log, clock);
  const rulesOf: RulesOf = (identity, stamp) => directory.rules(identity, stamp);
  const readable: TelemetryContext['readable'] = (request) => readableBy(request, policy, rulesOf);
  const telemetry = { store, notify, clock, retention, onQuotaExceeded, readable };
  const kept = telemetryResources(telemetry, openPaths);
  const resources = options.demo ? [...withCreatedSensors(kept, notify)] : [...kept];
  if (options.demo) {
    for (const made of [demoResources(notify, systemTickTimer), openDemoResources(notify, systemTickTimer)]) {
      resources.push(...made.resources);
      stops.push(made.stop);
    }
  }
  const logForbidden = forbiddenLogger(options.log, clock);
  for (const { path, protection, resource } of resources) {
    server.resource(path, authorised(resource, protection, policy, rulesOf, logForbidden));
  }
  if (options.log.verbosity >= 1) server.use(requestLogger(options.log));
  server.use(storeFaultsAsUnavailable(options.log, clock));
}

function requestLogger(log: Log): Middleware {
  return async (request, next) => {
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
  };
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

/** Opens the sockets and adds them to `listeners` one by one. */
async function listen(
  server: Server,
  store: Store,
  listeners: Listener[],
  directory: DeviceDirectory,
  review: AssociationReview,
  options: GatewayOptions,
): Promise<void> {
  const { coap, coaps, keylog, pskHint } = options;
  const traced = options.trace === undefined ? {} : { trace: options.trace };
  if (coap !== undefined) {
    const { multicast, dangerouslyUnlimitedAmplification = false } = options;
    const plain = {
      ...traced,
      ...(multicast === undefined ? {} : { multicast }),
      dangerouslyUnlimitedAmplification,
    };
    const listener = await open('coap', coap, (uri) => server.listen(uri, plain));
    listeners.push(listener);
    for (const { group, port, interface: name, error } of listener.groups) {
      if (error === undefined) options.log.detail(0, `member of the group ${group} port ${port} on ${name}`);
    }
  }
  const streams = options.streams ?? [];
  for (const { scheme, address } of streams) {
    if (!isSecured(scheme)) listeners.push(await open(scheme, address, (uri) => server.listen(uri, traced)));
  }
  const secured = streams.filter(({ scheme }) => isSecured(scheme));
  if (coaps !== undefined || secured.length > 0) {
    const clock = options.clock ?? systemWallClock;
    const logUnknown = unknownIdentityLogger(options.log, clock);
    const logAssociation = associationLogger(options.log, clock);
    const logExpiry = expiryLogger(options.log, clock);
    const psk = {
      lookup: async (identity: string) => {
        const admission = await directory.admission(identity);
        if (admission === undefined) logUnknown(identity);
        return admission;
      },
      ...(pskHint === undefined ? {} : { hint: pskHint }),
    };
    const onAssociation = (event: AssociationEvent): void => {
      logAssociation(event);
      if (event.kind !== 'connected') return;
      // One that came back was compared when it was taken over; `changed` looks at what happened since.
      if (event.imported !== true) review.one(event.peer);
      logExpiry(event.peer.security);
    };
    const credentials = {
      psk,
      ...publicKeyCredentials(directory, options),
      onAssociation,
      associationStore: new AssociationStorage({ store, directory, clock, log: options.log }),
      ...traced,
      ...(keylog === undefined ? {} : { keylog }),
      ...(options.requireExtendedMasterSecret === false
        ? { extendedMasterSecret: 'preferred' as const }
        : {}),
    };
    if (coaps !== undefined) {
      listeners.push(await open('coaps', coaps, (uri) => server.listen(uri, credentials)));
    }
    const {
      associationStore: _store,
      rawPublicKey: _key,
      clientPublicKeys: _keys,
      ...forTls
    } = {
      rawPublicKey: undefined,
      clientPublicKeys: undefined,
      ...credentials,
    };
    // Who shows no certificate is nobody, as over plain coap; TLS here has no raw public keys.
    const clientAuthentication = forTls.clientCertificates === undefined ? 'none' : 'required';
    const tls: ListenOptions = {
      ...forTls,
      ...(forTls.certificate === undefined ? {} : { clientAuthentication }),
    };
    for (const { scheme, address } of secured) {
      listeners.push(await open(scheme, address, (uri) => server.listen(uri, tls)));
    }
  }
}

function isSecured(scheme: StreamScheme): boolean {
  return scheme.startsWith('coaps');
}

/** Devices with a raw public key or certificate: each is known by exactly the one that was added for it. */
function publicKeyCredentials(
  directory: DeviceDirectory,
  { credentials, log, clock = systemWallClock }: GatewayOptions,
): Partial<ListenOptions> {
  if (credentials === undefined) return {};
  tellCredentials(credentials, log, clock());
  const logUnknown = unknownPeerLogger(log, clock);
  return {
    ...listenCredentials(credentials),
    clientPublicKeys: async (publicKey) => {
      const owner = await directory.ownerOfKey(publicKey.fingerprint);
      if (owner === undefined) logUnknown({ publicKey, certificate: undefined });
      return owner;
    },
    verifyPeer: async ({ publicKey, certificate }) => {
      // What clientPublicKeys found stands.
      if (certificate === undefined) return true;
      const owner = await directory.ownerOfCertificate(certificate.identity, certificate.fingerprint);
      if (owner === undefined) logUnknown({ publicKey, certificate });
      return owner;
    },
  };
}

async function open(
  scheme: EndpointScheme,
  { host, port, anyHost }: EndpointAddress,
  listenAt: (uri: string) => Promise<Listener>,
): Promise<Listener> {
  const uriOf = (at: string): string => `${scheme}://${at.includes(':') ? `[${at}]` : at}:${port}`;
  try {
    return await listenAt(uriOf(host));
  } catch (error) {
    if (!(anyHost && (error as NodeJS.ErrnoException).code === 'EAFNOSUPPORT')) {
      throw endpointFault(scheme, host, port, error);
    }
  }
  try {
    return await listenAt(uriOf('0.0.0.0'));
  } catch (error) {
    throw endpointFault(scheme, '0.0.0.0', port, error);
  }
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
  if (options.credentials === undefined && devices.some(({ credential }) => credential.kind !== 'psk')) {
    options.log.warning(
      'there are devices with a raw public key or certificate, which cannot connect: give --private-key, and --cert and --ca for certificates',
    );
  }
  for (const { identity, key } of options.psks ?? []) {
    const weakness = weaknessOf(key);
    if (weakness !== undefined) options.log.warning(`the key of ${printable(identity)} ${weakness}`);
    if (devices.some(({ id }) => id === identity)) {
      options.log.warning(
        `${printable(identity)} is also a device of the store; the key given with --psk counts`,
      );
    }
  }
  const { anyIdentityKey, coaps, demo, log } = options;
  if (anyIdentityKey !== undefined) {
    log.warning('ANY IDENTITY IS ACCEPTED: whoever has the one key of --psk "*:KEY" can pose as any device');
    const weakness = weaknessOf(anyIdentityKey);
    if (weakness !== undefined) log.warning(`the key for any identity ${weakness}`);
  }
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
