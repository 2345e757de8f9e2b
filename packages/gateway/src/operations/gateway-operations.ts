/**
 * How the whole gateway fares, all its threads together: metrics, readiness, peers. Everything is read when it is asked for.
 */
import { statfs } from 'node:fs/promises';
import type { Listener } from 'coapsule';
import type { OutboxSize } from '../store/outbox-table.ts';
import type { StoreFault } from '../store/store-fault.ts';
import { type HandshakeReport, mostHandshakes } from './handshake-log.ts';
import { type GatewayFacts, type MetricFamily, metricFamilies } from './metric-families.ts';
import type { MetricsText } from './metrics-text.ts';
import { type ObservedResource, together } from './observed-resources.ts';
import type { AskThread, OperationsQuestions } from './operations-answers.ts';
import { type PeersAnswer, type PeerView, peersOf } from './peers-view.ts';
import { type Readiness, readinessOf } from './readiness.ts';
import type { ThreadOperations } from './thread-operations.ts';

/** What it looks at. */
export interface GatewayOperationsParts {
  readonly dataFolder: string;
  readonly version: string;
  readonly own: ThreadOperations;
  readonly listeners: readonly Listener[];
  readonly store: {
    readonly fault: StoreFault | undefined;
    outboxSize(): Promise<OutboxSize>;
  };
  /** How to ask each of the other threads that there should be. */
  readonly others: () => readonly AskThread[];
  /** Has this thread look at the devices anew. */
  readonly devicesChanged: () => Promise<void>;
  /** Undefined without a message broker. */
  readonly broker: () => { readonly isConnected: boolean } | undefined;
  readonly httpStreams: () => number | undefined;
  /** What went between gateways behind one address. */
  readonly nodes?: () => Readonly<Record<string, number>> | undefined;
}

/** A page of peers, and the name of the next one. */
export interface PeersPage {
  readonly peers: readonly PeerView[];
  readonly next: string | null;
}

/** See the module comment. */
export class GatewayOperations {
  readonly #parts: GatewayOperationsParts;
  #text: MetricsText | undefined;
  #isStopping = false;

  constructor(parts: GatewayOperationsParts) {
    this.#parts = parts;
  }

  /** Metrics as text, and the type of it. */
  async metrics(): Promise<{ readonly text: string; readonly contentType: string }> {
    // What writes them is loaded when somebody asks the first time.
    const { MetricsText: Text, metricsContentType } = await import('./metrics-text.ts');
    this.#text ??= new Text(() => this.families());
    return { text: await this.#text.text(), contentType: metricsContentType };
  }

  /** Whether the gateway can do its work, with the reasons. */
  async readiness(): Promise<Readiness> {
    const { listeners, store, broker, own } = this.#parts;
    // Not the statistics: whoever asks for those has seen the longest delay, and it begins anew.
    const [disk, loads] = await Promise.all([this.#disk(), this.#answers('load', own.load)]);
    return readinessOf({
      isStopping: this.#isStopping,
      storeFault: store.fault,
      freeDiskBytes: disk?.free,
      broker: broker(),
      lines: listeners.flatMap(({ uri, line }) => (line === undefined ? [] : [{ uri, isOpen: line.isOpen }])),
      workers: { all: this.#parts.others().length + 1, answering: loads.length },
      load: loads.includes('overloaded') ? 'overloaded' : loads.includes('busy') ? 'busy' : 'normal',
    });
  }

  /**
   * Peers of all threads.
   *
   * @param after `next` of the page before.
   * @throws RangeError for an `after` that no page gave.
   */
  async peers(limit: number, after: string | undefined): Promise<PeersPage> {
    let place: Place | undefined = after === undefined ? firstPlace : placeOf(after);
    const peers: PeerView[] = [];
    while (place !== undefined && peers.length < limit) {
      const { worker, ...question }: Place = place;
      const answer: PeersAnswer | undefined = await this.#peersOf(worker, {
        ...question,
        limit: limit - peers.length,
      });
      peers.push(...(answer?.peers ?? []));
      place = answer?.next === undefined ? this.#nextWorker(worker) : { worker, ...answer.next };
    }
    return { peers, next: place === undefined ? null : placeName(place) };
  }

  /** The latest of all threads that answer, the newest first. */
  async handshakes(): Promise<readonly HandshakeReport[]> {
    const threads = await this.#answers('handshakes', this.#parts.own.handshakes);
    return threads
      .flat()
      .toSorted((one, other) => other.atMs - one.atMs)
      .slice(0, mostHandshakes);
  }

  /** What is observed at all threads that answer, what most observe first. */
  async observed(): Promise<readonly ObservedResource[]> {
    return together((await this.#answers('observed', this.#parts.own.observed)).flat());
  }

  /** Somebody has written devices into the store: fulfils when all threads that answer know them. */
  async devicesChanged(): Promise<void> {
    await Promise.all([this.#parts.devicesChanged(), this.#answers('devices', undefined)]);
  }

  /** Not ready any more: whoever sends requests here should send them elsewhere. */
  stopping(): void {
    this.#isStopping = true;
  }

  /** Nothing more is asked. */
  async close(): Promise<void> {
    this.#parts.own.stop();
    await this.#text?.close();
  }

  /** All that is counted. */
  async families(): Promise<readonly MetricFamily[]> {
    const { store, broker, listeners, others, version, httpStreams } = this.#parts;
    const connection = broker();
    const [threads, disk, outbox] = await Promise.all([
      this.#answers('statistics', this.#parts.own.statistics()),
      this.#disk(),
      connection === undefined ? undefined : store.outboxSize().catch(() => undefined),
    ]);
    const lines = listeners.flatMap(({ line }) => line ?? []);
    const { user, system } = process.cpuUsage();
    const facts: GatewayFacts = {
      version,
      startedAtSeconds: performance.timeOrigin / 1000,
      residentBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
      freeDiskBytes: disk?.free,
      totalDiskBytes: disk?.total,
      nodes: this.#parts.nodes?.(),
      broker: connection && {
        isConnected: connection.isConnected,
        outboxEntries: outbox?.entries ?? 0,
        outboxBytes: outbox?.bytes ?? 0,
      },
      lines: { all: lines.length, open: lines.filter(({ isOpen }) => isOpen).length },
      workers: { all: others().length + 1, answering: threads.length },
      httpStreams: httpStreams(),
    };
    return metricFamilies(facts, threads);
  }

  /** Of the threads that answer. */
  async #answers<K extends 'statistics' | 'load' | 'handshakes' | 'observed' | 'devices'>(
    kind: K,
    own: OperationsQuestions[K]['answer'],
  ): Promise<readonly OperationsQuestions[K]['answer'][]> {
    const others = this.#parts.others().map((ask) => ask(kind, undefined).catch(() => undefined));
    const told = await Promise.all(others);
    return [own, ...told.filter((one) => one !== undefined)];
  }

  async #peersOf(
    worker: number,
    question: { readonly endpoint: number; readonly after: number | undefined; readonly limit: number },
  ): Promise<PeersAnswer | undefined> {
    const { listeners, own } = this.#parts;
    if (worker === 0) return peersOf({ listeners, oscorePeers: own.oscorePeers, worker }, question);
    return this.#parts
      .others()
      [worker - 1]?.('peers', question)
      .catch(() => undefined);
  }

  #nextWorker(worker: number): Place | undefined {
    return worker < this.#parts.others().length ? { ...firstPlace, worker: worker + 1 } : undefined;
  }

  async #disk(): Promise<{ readonly free: number; readonly total: number } | undefined> {
    try {
      const { bavail, blocks, bsize } = await statfs(this.#parts.dataFolder);
      return { free: bavail * bsize, total: blocks * bsize };
    } catch {
      return undefined;
    }
  }
}

/** Where a page of peers begins. */
interface Place {
  readonly worker: number;
  readonly endpoint: number;
  readonly after: number | undefined;
}

const firstPlace: Place = { worker: 0, endpoint: 0, after: undefined };

function placeName({ worker, endpoint, after }: Place): string {
  return [worker, endpoint, after ?? ''].join('.');
}

function placeOf(name: string): Place {
  const [, worker, endpoint, after] = /^(\d{1,3})\.(\d{1,3})\.(\d{0,15})$/.exec(name) ?? [];
  if (worker === undefined || endpoint === undefined)
    throw new RangeError('after is not what a page gave as next');
  return {
    worker: Number(worker),
    endpoint: Number(endpoint),
    after: after === '' ? undefined : Number(after),
  };
}
