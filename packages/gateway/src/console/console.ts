/**
 * The console: its API and its pages, put together, for the HTTP endpoint of a gateway that runs.
 */
import type { Server } from 'coapsule';
import type { Context } from 'hono';
import { Hono } from 'hono';
import { localPeer } from '../access/local-asker.ts';
import type { Rule } from '../access/rule.ts';
import { ChangeAudit, type RefusalAudit, UseAudit } from '../audit/audit-log.ts';
import type { ResourceDirectory } from '../directory/resource-directory.ts';
import { TelemetryApi, type TelemetryApiParts } from '../http/telemetry-api.ts';
import type { HttpClient } from '../http/trusted-proxies.ts';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import { type Log, RateLimit } from '../server/log.ts';
import type { SteadyClock } from '../server/steady-clock.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { Store } from '../store/store.ts';
import { packageVersion } from '../text/package-version.ts';
import type { TrafficRing } from '../traffic/traffic-ring.ts';
import type { MasterKeySource } from '../vault/master-key.ts';
import type { GatewayFeature } from './api-types.ts';
import { addAppFiles } from './app-files.ts';
import { collectionHandlers } from './collections.ts';
import { addConsoleApi, type Handlers } from './console-api.ts';
import { ConsoleAudit } from './console-audit.ts';
import { type ConsoleStore, openConsoleStore } from './console-store.ts';
import { deviceHandlers } from './device-changes.ts';
import { DeviceViews, type DeviceViewsParts } from './device-views.ts';
import { directoryHandlers } from './directory-views.ts';
import { EventStreams } from './event-stream.ts';
import type { NamedCredentials } from './explorer-credentials.ts';
import { explorerHandlers } from './explorer-handlers.ts';
import { ExplorerContexts } from './explorer-oscore.ts';
import type { GatewayProof } from './gateway-proof.ts';
import { type GatewayViewsParts, gatewayHandlers } from './gateway-views.ts';
import { LiveValues } from './live-values.ts';
import { isCurrent, loginHandlers, sessionHandlers } from './login.ts';
import { consoleBase, newLoginLink } from './login-link.ts';
import { missingTraffic } from './missing-traffic.ts';
import { ObservedStates } from './observed-states.ts';
import { openApiDocument } from './open-api.ts';
import { PeerIndex } from './peer-index.ts';
import { referenceHandlers } from './reference-views.ts';
import { SessionCookie } from './session-cookie.ts';
import { ConsoleSessions } from './sessions.ts';
import { Simulations } from './simulations.ts';
import type { SnippetEndpoints } from './snippets.ts';
import { handshakeHandlers, trafficHandlers } from './traffic-handlers.ts';
import { TrafficReader } from './traffic-reader.ts';
import { UserPlaces } from './user-places.ts';

/** What it works with. */
export interface ConsoleParts {
  readonly dataFolder: string;
  readonly masterKey: MasterKeySource | undefined;
  readonly log: Log;
  readonly clock: WallClock;
  readonly steadyClock: SteadyClock;
  /** Folder of the built app. */
  readonly appFolder: string;
  readonly server: Pick<Server, 'watch' | 'request'>;
  readonly store: Pick<Store, 'latestOf' | 'pathsBelow'>;
  readonly directory: Pick<ResourceDirectory, 'current'>;
  readonly telemetry: TelemetryApiParts;
  readonly views: Omit<GatewayViewsParts, 'clock' | 'peers' | 'features'>;
  readonly features: readonly GatewayFeature[];
  readonly devices: Pick<DeviceViewsParts, 'sleeperOf' | 'configured'>;
  readonly refusals: Pick<RefusalAudit, 'add'>;
  /** What the gateway proves itself with to devices. */
  readonly proof: GatewayProof;
  /** What the gateway proves itself with where it is a proxy. */
  readonly proxyTargets: NamedCredentials['proxyTargets'];
  /** Undefined where no traffic is kept. */
  readonly traffic: TrafficRing | undefined;
  /** Who asks. */
  readonly clientOf: (context: Context) => HttpClient;
}

/** As whom the console reads what is kept. */
const reader = localPeer({
  identity: '(console)',
  rules: [{ methods: new Set(['GET']), segments: [], below: true } satisfies Rule],
});

type SessionRoute = keyof ReturnType<typeof sessionHandlers>;

/** How often sessions are looked at whose users may have been changed. */
const reviewMs = 5000;

/** See the module comment. */
export class Console {
  /** What is added to the HTTP endpoint, before all others below `/api/`. */
  readonly app: Hono;
  readonly #store: ConsoleStore;
  readonly #sessions: ConsoleSessions;
  readonly #streams = new EventStreams();
  readonly #clock: WallClock;
  readonly #simulations: Simulations;
  readonly #closing: (() => void)[] = [];
  #cancelReview: () => void = () => {};

  /** @throws StoreFault when the store cannot be opened. */
  constructor(parts: ConsoleParts) {
    const { dataFolder, masterKey, log, clock, steadyClock } = parts;
    this.#clock = clock;
    const store = openConsoleStore(dataFolder, masterKey);
    this.#store = store;
    this.#sessions = new ConsoleSessions(steadyClock, (user) => isCurrent(store, user));
    const faults = new RateLimit(5, 10_000);
    const onError = (error: unknown): void => {
      if (faults.pass(clock()) !== undefined) log.error(`console: ${(error as Error).message}`);
    };
    this.app = new Hono();
    const warn = (text: string): void => log.warning(text);
    const audit = new ConsoleAudit({
      changes: new ChangeAudit(dataFolder, clock, warn),
      uses: new UseAudit(dataFolder, clock, warn),
      refusals: parts.refusals,
    });
    const { endpoints } = parts.views;
    const endpointOf = (name: string): string | undefined =>
      endpoints().find((endpoint) => endpoint.name === name)?.address;
    const deviceEndpoints = (): SnippetEndpoints => ({
      coap: endpointOf('coap'),
      coaps: endpointOf('coaps'),
    });
    this.#simulations = new Simulations({
      ...{ devices: store.devices, audit, streams: this.#streams, clock, timer: systemTickTimer },
      endpoints: deviceEndpoints,
    });
    const { clientOf } = parts;
    const cookie = new SessionCookie(clientOf);
    const login = { store, sessions: this.#sessions, cookie, clock, steadyClock, audit, clientOf };
    addConsoleApi(this.app, {
      ...{ sessions: this.#sessions, cookie, clientOf },
      logins: loginHandlers(login),
      handlers: {
        ...sessionHandlers(login),
        ...this.#simulations.handlers,
        ...this.#handlers(parts, audit, deviceEndpoints, onError),
      },
      onError,
    });
    addAppFiles(this.app, parts.appFolder);
    this.#reviewLater();
  }

  /** Event streams that are open. */
  get streams(): number {
    return this.#streams.size;
  }

  /** The HTTP endpoint listens. @returns a link that logs somebody in once. */
  opened(address: string, isTls: boolean): string {
    const base = consoleBase(address, isTls);
    this.#store.users.setPlace(base);
    return newLoginLink(this.#store.users, base, this.#clock());
  }

  /** All sessions end. */
  close(): void {
    this.#cancelReview();
    this.#sessions.close();
    this.#simulations.close();
    for (const close of this.#closing) close();
    this.#store.opened.close();
  }

  #handlers(
    parts: ConsoleParts,
    audit: ConsoleAudit,
    deviceEndpoints: () => SnippetEndpoints,
    onError: (error: unknown) => void,
  ): Omit<Handlers, SessionRoute | keyof Simulations['handlers']> {
    const { clock, views, server, store, directory } = parts;
    const peers = new PeerIndex(views.operations, systemTickTimer);
    const deviceViews = new DeviceViews({ ...parts.devices, store: this.#store, peers, clock });
    const live = new LiveValues({
      watch: (changed) => server.watch(changed),
      latest: (paths) => store.latestOf(paths),
      paths: (limit) => store.pathsBelow('/', limit),
      states: new ObservedStates({
        read: (path, observer) =>
          server.request('GET', path, { peer: reader, ...(observer !== undefined && { observer }) }),
        observed: async () => {
          const paths = (await views.operations.observed()).map(({ resource }) => resource);
          const readings = await store.latestOf(paths);
          return paths.filter((_, index) => readings[index] === undefined);
        },
        ...{ timer: systemTickTimer, onError },
      }),
      ...{ clock, timer: systemTickTimer, onError },
    });
    const telemetry = new TelemetryApi(parts.telemetry);
    const places = new UserPlaces();
    return {
      ...gatewayHandlers({ ...views, clock, peers, features: parts.features }),
      ...deviceHandlers({
        ...{ store: this.#store, views: deviceViews, audit, clock },
        ...{ endpoints: deviceEndpoints, proof: parts.proof, operations: views.operations },
      }),
      ...directoryHandlers(directory, clock),
      ...referenceHandlers(),
      ...collectionHandlers({ devices: this.#store.devices, audit, streams: this.#streams, places }),
      ...this.#traffic(parts, peers, audit, onError),
      ...handshakeHandlers(views.operations),
      ...explorerHandlers({
        ...{ devices: this.#store.devices, places, audit, streams: this.#streams, clock },
        ...{ proxyTargets: parts.proxyTargets, named: this.#store.explorer },
        contexts: new ExplorerContexts(this.#store.explorer, onError),
      }),
      'GET /api/live': ({ context, session, query: { path } }) =>
        this.#streams.answer(context, session, () => live.open(path)),
      'GET /api/history': ({ context }) => telemetry.answer(context, reader),
      'GET /api/openapi.json': ({ context }) => context.json(openApiDocument(packageVersion())),
    };
  }

  #traffic(
    { traffic: ring, views }: ConsoleParts,
    peers: PeerIndex,
    audit: ConsoleAudit,
    onError: (error: unknown) => void,
  ): ReturnType<typeof missingTraffic> {
    if (ring === undefined) return missingTraffic();
    const reader = new TrafficReader({
      ...{ ring, timer: systemTickTimer },
      ports: () => views.endpoints().map(({ address }) => Number(/:(\d+)$/.exec(address)?.[1] ?? 0)),
      identities: async () =>
        new Map(
          (await peers.peers()).all.flatMap(({ address, identity }) =>
            identity === '' ? [] : [[address, identity]],
          ),
        ),
    });
    this.#closing.push(() => reader.close());
    return trafficHandlers({ ring, reader, streams: this.#streams, audit, timer: systemTickTimer, onError });
  }

  #reviewLater(): void {
    this.#cancelReview = systemTickTimer.after(reviewMs, () => {
      this.#sessions.review();
      this.#reviewLater();
    });
  }
}
