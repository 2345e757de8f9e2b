/**
 * The other threads of the gateway that serve its coap and coaps ports: begun, told what they have to know, and listened to.
 *
 * This thread is worker 0 and has what has one owner; what the others do is in gateway-worker.ts (docs/workers.md).
 */
import {
  type CapturedDatagram,
  type Link,
  type PortWorker,
  type ProxyHandler,
  startWorkers,
  type TraceEvent,
  type Workers,
  type WorkersOptions,
} from 'coapsule';
import type { RefusalAudit } from '../audit/audit-log.ts';
import type { RefusalLine } from '../audit/refusal-count.ts';
import type { OutboxLimits } from '../bridge/outbox-terms.ts';
import type { AskThread, OperationsQuestion } from '../operations/operations-answers.ts';
import { systemTickTimer } from '../resources/periodic-tick.ts';
import type { LifetimeAnchor } from '../server/lifetime-clock.ts';
import type { LogFields } from '../server/log.ts';
import type { GatewayCredentials } from '../server/serve-credentials.ts';
import type { Store } from '../store/store.ts';
import { defaultMaxSessions } from './association-storage.ts';
import type { GatewayOptions, LiveOptions } from './gateway-options.ts';
import type { LiveConfiguration } from './live-configuration.ts';
import { errorText } from './request-log.ts';
import type { ResourceShape, ServedResources } from './served-resources.ts';

/** How long a worker may take to say how it fares, and to tell its observers that the gateway stops. */
const answerPatienceMs = 2000;
const farewellPatienceMs = 5000;

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
  | 'maxObservers'
  | 'dangerouslyAllowPlainWrites'
  | 'dangerouslyUnlimitedAmplification'
> & {
  /** Of the bridge to a broker; undefined without one. */
  readonly outbox: OutboxLimits | undefined;
};

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
      readonly links: readonly Link[];
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
      readonly hasCapture: boolean;
    } & WorkerSettings)
  | ({ readonly kind: 'settings' } & WorkerSettings)
  | { readonly kind: 'resource'; readonly path: string; readonly shape: ResourceShape | undefined }
  | { readonly kind: 'link'; readonly link: Link }
  | { readonly kind: 'asked'; readonly id: number; readonly question: OperationsQuestion };

/** What a worker tells. */
export type FromGatewayWorker =
  | {
      readonly kind: 'error' | 'warning';
      readonly text: string;
      readonly fields: LogFields | undefined;
    }
  | {
      readonly kind: 'detail';
      readonly verbosity: 0 | 1;
      readonly text: string;
      readonly fields: LogFields | undefined;
    }
  | { readonly kind: 'keylog'; readonly line: string }
  | { readonly kind: 'trace'; readonly event: TraceEvent }
  | { readonly kind: 'captured'; readonly captured: CapturedDatagram }
  | { readonly kind: 'refused'; readonly refused: RefusalLine }
  /** To a question with this number. */
  | { readonly kind: 'told'; readonly id: number; readonly answer: unknown }
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
  readonly #ports = new Map<number, ThreadPort>();
  readonly #questions = new Map<number, (answer: unknown) => void>();
  readonly #links: Link[] = [];
  #lastQuestion = 0;
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
        void workers.#begin(index, port).catch((error) => {
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

  /** They tell of it too, in their `/.well-known/core`. */
  link(link: Link): void {
    this.#links.push(link);
    this.#tellAll({ kind: 'link', link });
  }

  /** Closes the servers of all workers, of this one too. */
  async close(): Promise<void> {
    await this.#workers?.close();
    for (const port of this.#ports.values()) port.close();
  }

  /** How to ask each of the other threads, in the order of their numbers; who does not answer within two seconds has not. */
  others(): readonly AskThread[] {
    return Array.from({ length: (this.#workers?.count ?? 1) - 1 }, (_, index): AskThread => {
      return (kind, ask) => this.#ask(index + 1, { kind, ask } as OperationsQuestion) as Promise<never>;
    });
  }

  #ask(index: number, question: OperationsQuestion): Promise<unknown> {
    const port = this.#ports.get(index);
    const id = ++this.#lastQuestion;
    return new Promise((resolve, reject) => {
      const patience = question.kind === 'farewell' ? farewellPatienceMs : answerPatienceMs;
      const giveUp = systemTickTimer.after(port === undefined ? 0 : patience, () => {
        this.#questions.delete(id);
        reject(new Error(`worker ${index} does not answer`));
      });
      this.#questions.set(id, (answer) => {
        giveUp();
        resolve(answer);
      });
      port?.postMessage({ kind: 'asked', id, question } satisfies ToGatewayWorker);
    });
  }

  async #begin(index: number, port: ThreadPort): Promise<void> {
    port.on('message', (message: FromGatewayWorker) => this.#told(message));
    port.on('close', () => {
      if (this.#ports.get(index) === port) this.#ports.delete(index);
    });
    port.unref();
    const store = await this.#parts.store.clientPort();
    const { options, served, proxy, lifetimes } = this.#parts;
    const begin: ToGatewayWorker = {
      kind: 'begin',
      ...this.#settings(this.#parts.live.options.credentials),
      options: workerOptions(options),
      // With other gateways, what is stored goes there too: from this thread.
      resources: served.shapes().map((shape) => (options.shared === undefined ? shape : onlyHere(shape))),
      links: [...this.#links],
      proxy: proxy && {
        names: proxy.names,
        maxBodyBytes: proxy.maxBodyBytes,
        streamsHttp: proxy.streamRequestBody !== false,
      },
      ...{ store, lifetimes },
      hasKeylog: options.keylog !== undefined,
      hasTrace: options.trace !== undefined,
      hasCapture: options.capture !== undefined,
    };
    port.postMessage(begin, [store]);
    this.#ports.set(index, port);
  }

  #settings(credentials: GatewayCredentials | undefined): WorkerSettings {
    const { live, options } = this.#parts;
    const { psks, anyIdentityKey, access, retention, overload } = live.options;
    return {
      live: {
        anyIdentityKey,
        access,
        credentials,
        ...(psks === undefined ? {} : { psks }),
        ...(retention === undefined ? {} : { retention }),
        ...(overload === undefined ? {} : { overload }),
      },
      verbosity: options.log.verbosity,
    };
  }

  #told(message: FromGatewayWorker): void {
    const { options, notify, refusals } = this.#parts;
    switch (message.kind) {
      case 'error':
      case 'warning':
        options.log[message.kind](message.text, message.fields);
        return;
      case 'detail':
        options.log.detail(message.verbosity, message.text, message.fields);
        return;
      case 'keylog':
        options.keylog?.(message.line);
        return;
      case 'trace':
        options.trace?.(message.event);
        return;
      case 'captured':
        options.capture?.(message.captured);
        return;
      case 'refused':
        refusals.add(message.refused);
        return;
      case 'notify':
        notify(message.path);
        return;
      case 'told':
        this.#questions.get(message.id)?.(message.answer);
        this.#questions.delete(message.id);
        return;
    }
  }

  #tellAll(message: ToGatewayWorker): void {
    for (const port of this.#ports.values()) port.postMessage(message);
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
    maxObservers,
    dangerouslyAllowPlainWrites = false,
    dangerouslyUnlimitedAmplification = false,
    mqtt,
  } = options;
  return {
    ...{ coap, coaps, multicast, demo, pskHint, requireExtendedMasterSecret, maxSessions, maxObservers },
    ...{ dangerouslyAllowPlainWrites, dangerouslyUnlimitedAmplification },
    outbox: mqtt && { queueBytes: mqtt.queueBytes, sharePercent: mqtt.sharePercent },
  };
}
