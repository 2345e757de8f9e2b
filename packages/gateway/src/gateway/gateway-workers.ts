/**
 * The other threads of the gateway that serve its coap and coaps ports: begun, told what they have to know, and listened to.
 *
 * This thread is worker 0 and has what has one owner; what the others do is in gateway-worker.ts (docs/workers.md).
 */
import {
  type PortWorker,
  type ProxyHandler,
  startWorkers,
  type TraceEvent,
  type Workers,
  type WorkersOptions,
} from 'coapsule';
import type { RefusalAudit } from '../audit/audit-log.ts';
import type { RefusalLine } from '../audit/refusal-count.ts';
import type { LifetimeAnchor } from '../server/lifetime-clock.ts';
import type { GatewayCredentials } from '../server/serve-credentials.ts';
import type { Store } from '../store/store.ts';
import { defaultMaxSessions } from './association-storage.ts';
import type { GatewayOptions, LiveOptions } from './gateway-options.ts';
import type { LiveConfiguration } from './live-configuration.ts';
import { errorText } from './request-log.ts';
import type { ResourceShape, ServedResources } from './served-resources.ts';

/** The end of a channel between threads. */
export type ThreadPort = Parameters<NonNullable<WorkersOptions['onBegin']>>[1];

/** Options that a worker has too: all that can go to another thread. */
export type WorkerOptions = Pick<
  GatewayOptions,
  | 'coap'
  | 'coaps'
  | 'multicast'
  | 'demo'
  | 'pskHint'
  | 'requireExtendedMasterSecret'
  | 'maxSessions'
  | 'dangerouslyAllowPlainWrites'
  | 'dangerouslyUnlimitedAmplification'
>;

/** What counts now and may change. */
export interface WorkerSettings {
  /** Credentials only where they are new. */
  readonly live: Omit<LiveOptions, 'upstreams'>;
  readonly verbosity: number;
}

/** What a worker is told. */
export type ToGatewayWorker =
  | ({
      /** First of all. */
      readonly kind: 'begin';
      readonly options: WorkerOptions;
      readonly resources: readonly ResourceShape[];
      readonly proxy:
        | (Pick<ProxyHandler, 'names' | 'maxBodyBytes'> & {
            /** Bodies for HTTP servers pass as they come. */
            readonly streamsHttp: boolean;
          })
        | undefined;
      readonly store: ThreadPort;
      readonly lifetimes: LifetimeAnchor;
      /** Whether somebody wants these lines and events. */
      readonly hasKeylog: boolean;
      readonly hasTrace: boolean;
    } & WorkerSettings)
  | ({ readonly kind: 'settings' } & WorkerSettings)
  | { readonly kind: 'resource'; readonly path: string; readonly shape: ResourceShape | undefined };

/** What a worker tells. */
export type FromGatewayWorker =
  | { readonly kind: 'error' | 'warning'; readonly text: string }
  | { readonly kind: 'detail'; readonly verbosity: 0 | 1; readonly text: string }
  | { readonly kind: 'keylog'; readonly line: string }
  | { readonly kind: 'trace'; readonly event: TraceEvent }
  | { readonly kind: 'refused'; readonly refused: RefusalLine }
  /** A handler there has changed what is at a path. */
  | { readonly kind: 'notify'; readonly path: string };

/** What the workers work with. */
export interface GatewayWorkersParts {
  readonly count: number;
  /** Opens the endpoints of this thread. */
  readonly first: (worker: PortWorker) => Promise<void>;
  readonly store: Store;
  readonly served: ServedResources;
  readonly proxy: ProxyHandler | undefined;
  readonly live: LiveConfiguration;
  readonly options: GatewayOptions;
  readonly refusals: Pick<RefusalAudit, 'add'>;
  readonly lifetimes: LifetimeAnchor;
  readonly notify: (path: string) => void;
}

/** See the module comment. */
export class GatewayWorkers {
  readonly #parts: GatewayWorkersParts;
  readonly #ports = new Set<ThreadPort>();
  #workers: Workers | undefined;

  /** @throws what `first` throws, with no thread left. */
  static async start(parts: GatewayWorkersParts): Promise<GatewayWorkers> {
    const { count, first, served, options } = parts;
    const workers = new GatewayWorkers(parts);
    served.onChange = (path, shape) => workers.#tellAll({ kind: 'resource', path, shape });
    // A URL string is not rewritten by the compiler: from source the worker is .ts, built it is .js.
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
    workers.#workers = await startWorkers(new URL(`./gateway-worker${extension}`, import.meta.url), {
      ...{ count, first },
      onBegin: (index, port) =>
        void workers.#begin(port).catch((error) => {
          options.log.error(`worker ${index} gets no store: ${errorText(error)}`);
          // It waits for what it begins with: now it ends, and is replaced.
          port.close();
        }),
      onNotice: (notice) => options.log.warning(notice),
    });
    return workers;
  }

  private constructor(parts: GatewayWorkersParts) {
    this.#parts = parts;
  }

  /**
   * The configuration, or what the log wants, is another one.
   *
   * @param credentials Where they may be new.
   */
  configurationChanged(credentials?: GatewayCredentials): void {
    this.#tellAll({ kind: 'settings', ...this.#settings(credentials) });
  }

  /** Closes the servers of all workers, of this one too. */
  async close(): Promise<void> {
    await this.#workers?.close();
    for (const port of this.#ports) port.close();
  }

  async #begin(port: ThreadPort): Promise<void> {
    port.on('message', (message: FromGatewayWorker) => this.#told(message));
    port.on('close', () => this.#ports.delete(port));
    port.unref();
    const store = await this.#parts.store.clientPort();
    const { options, served, proxy, lifetimes } = this.#parts;
    const begin: ToGatewayWorker = {
      kind: 'begin',
      ...this.#settings(this.#parts.live.options.credentials),
      options: workerOptions(options),
      // With a broker, or with other gateways, what is stored goes there too: from this thread.
      resources: served
        .shapes()
        .map((shape) =>
          options.mqtt === undefined && options.shared === undefined ? shape : onlyHere(shape),
        ),
      proxy: proxy && {
        names: proxy.names,
        maxBodyBytes: proxy.maxBodyBytes,
        streamsHttp: proxy.streamRequestBody !== false,
      },
      ...{ store, lifetimes },
      hasKeylog: options.keylog !== undefined,
      hasTrace: options.trace !== undefined,
    };
    port.postMessage(begin, [store]);
    this.#ports.add(port);
  }

  #settings(credentials: GatewayCredentials | undefined): WorkerSettings {
    const { live, options } = this.#parts;
    const { psks, anyIdentityKey, access, retention } = live.options;
    return {
      live: {
        anyIdentityKey,
        access,
        credentials,
        ...(psks === undefined ? {} : { psks }),
        ...(retention === undefined ? {} : { retention }),
      },
      verbosity: options.log.verbosity,
    };
  }

  #told(message: FromGatewayWorker): void {
    const { options, notify, refusals } = this.#parts;
    switch (message.kind) {
      case 'error':
      case 'warning':
        options.log[message.kind](message.text);
        return;
      case 'detail':
        options.log.detail(message.verbosity, message.text);
        return;
      case 'keylog':
        options.keylog?.(message.line);
        return;
      case 'trace':
        options.trace?.(message.event);
        return;
      case 'refused':
        refusals.add(message.refused);
        return;
      case 'notify':
        notify(message.path);
        return;
    }
  }

  #tellAll(message: ToGatewayWorker): void {
    for (const port of this.#ports) port.postMessage(message);
  }
}

function onlyHere(shape: ResourceShape): ResourceShape {
  return { ...shape, isEverywhere: false };
}

function workerOptions(options: GatewayOptions): WorkerOptions {
  const {
    coap,
    coaps,
    multicast,
    demo = false,
    pskHint,
    requireExtendedMasterSecret = true,
    maxSessions = defaultMaxSessions,
    dangerouslyAllowPlainWrites = false,
    dangerouslyUnlimitedAmplification = false,
  } = options;
  return {
    ...{ coap, coaps, multicast, demo, pskHint, requireExtendedMasterSecret, maxSessions },
    ...{ dangerouslyAllowPlainWrites, dangerouslyUnlimitedAmplification },
  };
}
