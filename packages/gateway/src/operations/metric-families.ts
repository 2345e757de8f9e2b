/**
 * What the gateway counts and holds, as families of metrics with their labels. Pure: how it is written is in metrics-text.ts.
 *
 * Labels have few values each: schemes, methods, codes, causes from closed lists, numbers of workers. Nothing that a peer can
 * choose is among them.
 */
import type { EndpointStatistics } from 'coapsule';
import type { AssociationMeterCounts } from './association-meter.ts';
import { type DurationCounts, durationSum } from './duration-histogram.ts';
import type { ThreadStatistics } from './thread-statistics.ts';

/** Labels with their values. */
export type Labels = Readonly<Record<string, string>>;

/** One family. Names of counters have no `_total`, which the text form adds. */
export type MetricFamily =
  | {
      readonly kind: 'counter' | 'gauge';
      readonly name: string;
      readonly help: string;
      readonly points: readonly { readonly labels: Labels; readonly value: number }[];
    }
  | {
      readonly kind: 'histogram';
      readonly name: string;
      readonly help: string;
      readonly points: readonly { readonly labels: Labels; readonly durations: DurationCounts }[];
    };

/** What does not belong to one thread. */
export interface GatewayFacts {
  readonly version: string;
  readonly startedAtSeconds: number;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  /** Free for this user on the disk with the data folder; undefined where it cannot be found out. */
  readonly freeDiskBytes: number | undefined;
  readonly totalDiskBytes: number | undefined;
  /** Datagrams that went between gateways behind one address, by what became of them; undefined where none do. */
  readonly nodes: Readonly<Record<string, number>> | undefined;
  /** Undefined without a message broker. */
  readonly broker:
    | { readonly isConnected: boolean; readonly outboxEntries: number; readonly outboxBytes: number }
    | undefined;
  /** Serial lines, and how many of them are there. */
  readonly lines: { readonly all: number; readonly open: number };
  readonly workers: { readonly all: number; readonly answering: number };
  readonly httpStreams: number | undefined;
}

type Points = Extract<MetricFamily, { kind: 'counter' | 'gauge' }>['points'];

/** All families. @param threads In any order; those that did not answer in time are missing. */
export function metricFamilies(
  facts: GatewayFacts,
  threads: readonly ThreadStatistics[],
): readonly MetricFamily[] {
  return [
    ...processFamilies(facts, threads),
    ...requestFamilies(threads),
    ...associationFamilies(threads),
    ...endpointFamilies(threads),
    ...storeFamilies(threads),
    ...overloadFamilies(threads),
    ...surroundingFamilies(facts),
  ];
}

function counter(name: string, help: string, points: Points | number): MetricFamily {
  return { kind: 'counter', name, help, points: pointsOf(points) };
}

function gauge(name: string, help: string, points: Points | number): MetricFamily {
  return { kind: 'gauge', name, help, points: pointsOf(points) };
}

/** One value stands without labels. */
function pointsOf(points: Points | number): Points {
  return typeof points === 'number' ? [{ labels: {}, value: points }] : points;
}

function histogram(name: string, help: string, durations: readonly DurationCounts[]): MetricFamily {
  return { kind: 'histogram', name, help, points: [{ labels: {}, durations: durationSum(durations) }] };
}

function processFamilies(facts: GatewayFacts, threads: readonly ThreadStatistics[]): readonly MetricFamily[] {
  const perWorker = (value: (thread: ThreadStatistics) => number): Points =>
    threads.map((thread) => ({ labels: { worker: String(thread.worker) }, value: value(thread) }));
  return [
    gauge('coapsule_info', 'Version of the gateway.', [{ labels: { version: facts.version }, value: 1 }]),
    gauge(
      'process_start_time_seconds',
      'When the process began, in seconds since 1970.',
      facts.startedAtSeconds,
    ),
    counter('process_cpu_seconds', 'Processor time of all threads.', facts.cpuSeconds),
    gauge('process_resident_memory_bytes', 'Memory of the process, all threads.', facts.residentBytes),
    gauge(
      'coapsule_heap_used_bytes',
      'JavaScript heap in use, by thread.',
      perWorker((one) => one.heapUsedBytes),
    ),
    gauge(
      'coapsule_event_loop_delay_seconds',
      'How late the event loop was at the latest look.',
      perWorker((one) => one.eventLoop.latestDelayMs / 1000),
    ),
    gauge(
      'coapsule_event_loop_delay_max_seconds',
      'The latest that the event loop was since the last scrape.',
      perWorker((one) => one.eventLoop.longestDelayMs / 1000),
    ),
    gauge('coapsule_workers', 'Threads that serve the ports.', facts.workers.all),
    gauge('coapsule_workers_answering', 'Threads that answered this scrape.', facts.workers.answering),
  ];
}

function requestFamilies(threads: readonly ThreadStatistics[]): readonly MetricFamily[] {
  const sums = new LabelledSums();
  const notifications = new LabelledSums();
  for (const { requests } of threads) {
    for (const { method, code, transport, count } of requests.requests)
      sums.add({ method, code, transport }, count);
    for (const { code, count } of requests.notifications) notifications.add({ code }, count);
  }
  return [
    counter('coapsule_requests', 'Requests answered, by method, code and transport.', sums.points()),
    counter(
      'coapsule_observed_states',
      'Answers to observers after a change, by code.',
      notifications.points(),
    ),
    histogram(
      'coapsule_request_duration_seconds',
      'From when a request is whole to its answer.',
      threads.map(({ requests }) => requests.durations),
    ),
    gauge(
      'coapsule_requests_under_way',
      'Requests with a handler now.',
      sum(threads, ({ requests }) => requests.underWay),
    ),
  ];
}

function associationFamilies(threads: readonly ThreadStatistics[]): readonly MetricFamily[] {
  const counts = (of: (counts: AssociationMeterCounts) => Readonly<Record<string, number>>, label: string) =>
    labelled(
      label,
      threads.map(({ associations }) => of(associations)),
    );
  return [
    counter(
      'coapsule_handshakes',
      'Associations and secured connections, by how they began: full handshake, resumed session, kept from an earlier process.',
      counts((one) => one.connected, 'kind'),
    ),
    counter(
      'coapsule_handshakes_failed',
      'Handshakes that failed, by cause.',
      counts((one) => one.failed, 'cause'),
    ),
    counter(
      'coapsule_associations_closed',
      'Associations and secured connections that ended, by reason.',
      counts((one) => one.closed, 'reason'),
    ),
  ];
}

/** Counters of the library that have a name of their own here. */
const messageCounters = {
  transmitted: 'Messages sent, retransmissions included.',
  retransmitted: 'Confirmable messages sent again.',
  timedOut: 'Confirmable messages given up.',
  duplicates: 'Messages that had come before.',
  malformed: 'Messages with a format error.',
  resetsReceived: 'Resets received.',
  resetsSent: 'Resets sent.',
} as const;

function endpointFamilies(threads: readonly ThreadStatistics[]): readonly MetricFamily[] {
  const perScheme = (of: (statistics: EndpointStatistics) => number | undefined): Points => {
    const sums = new LabelledSums();
    for (const { endpoints } of threads)
      for (const { scheme, statistics } of endpoints) sums.add({ scheme }, of(statistics) ?? 0);
    return sums.points();
  };
  const all = threads.flatMap(({ endpoints }) => endpoints.map(({ statistics }) => statistics));
  return [
    gauge(
      'coapsule_associations',
      'Associations; over TCP, TLS and WebSocket connections.',
      perScheme((one) => one.associations),
    ),
    gauge(
      'coapsule_observers',
      'Observers of resources.',
      perScheme((one) => one.observers),
    ),
    gauge(
      'coapsule_exchanges_open',
      'Requests and answers under way.',
      perScheme((one) => one.openExchanges),
    ),
    ...Object.entries(messageCounters).map(([name, help]) =>
      counter(
        `coapsule_messages_${snakeCase(name)}`,
        help,
        perScheme((one) => one.messages[name]),
      ),
    ),
    gauge(
      'coapsule_messages_queued',
      'Messages that wait for NSTART or PROBING_RATE.',
      perScheme((one) => one.messages['queued']),
    ),
    gauge(
      'coapsule_messages_outstanding',
      'Confirmable messages not acknowledged yet.',
      perScheme((one) => one.messages['outstanding']),
    ),
    gauge(
      'coapsule_deduplication_bytes',
      'Memory for answers that may be asked for again.',
      perScheme((one) => one.messages['deduplicationBytes']),
    ),
    counter(
      'coapsule_records_dropped',
      'Records and handshake messages dropped by DTLS, by reason; replays are replayed-record.',
      labelled(
        'reason',
        all.map((one) => one.droppedRecords),
      ),
    ),
    counter(
      'coapsule_oscore',
      'Messages under OSCORE by what became of them; replays are refused:replay.',
      labelled(
        'event',
        all.map((one) => one.oscore),
      ),
    ),
    counter(
      'coapsule_exchange_events',
      'What the request/response layer did and refused, by its counters.',
      labelled(
        'event',
        all.map((one) => one.exchanges),
      ),
    ),
    counter(
      'coapsule_endpoint_events',
      'What an endpoint refused or could not do, by its counters.',
      labelled(
        'event',
        all.map((one) => one.endpoint),
      ),
    ),
  ];
}

function storeFamilies(threads: readonly ThreadStatistics[]): readonly MetricFamily[] {
  const ofStore = (value: (store: ThreadStatistics['store']) => number): number =>
    sum(threads, ({ store }) => value(store));
  return [
    counter(
      'coapsule_store_commits',
      'Groups of writes made durable.',
      ofStore((one) => one.commits),
    ),
    counter(
      'coapsule_store_commits_failed',
      'Groups of writes that could not be made durable.',
      ofStore((one) => one.failedCommits),
    ),
    histogram(
      'coapsule_store_commit_duration_seconds',
      'How long a group of writes took to be durable.',
      threads.map(({ store }) => store.commitDurations),
    ),
    gauge(
      'coapsule_store_writes_waiting',
      'Writes that wait for the next group.',
      ofStore((one) => one.waitingWrites),
    ),
    gauge(
      'coapsule_store_bytes_waiting',
      'Bytes of values among them.',
      ofStore((one) => one.waitingBytes),
    ),
    gauge(
      'coapsule_store_reads_waiting',
      'Questions to the store without an answer yet.',
      ofStore((one) => one.waitingReads),
    ),
  ];
}

function overloadFamilies(threads: readonly ThreadStatistics[]): readonly MetricFamily[] {
  return [
    counter(
      'coapsule_requests_turned_away',
      'Requests answered 4.29 (rate) or 5.03 (the others) before anything was done, by reason.',
      labelled(
        'reason',
        threads.map(({ turnedAway }) => turnedAway),
      ),
    ),
    gauge(
      'coapsule_gate_at_work',
      'Writes on their way through the store.',
      sum(threads, ({ gate }) => gate.atWork),
    ),
    gauge(
      'coapsule_gate_waiting',
      'Writes that wait to be let to the store.',
      sum(threads, ({ gate }) => gate.waiting),
    ),
  ];
}

function surroundingFamilies(facts: GatewayFacts): readonly MetricFamily[] {
  const { broker, lines, freeDiskBytes, totalDiskBytes, httpStreams, nodes } = facts;
  return [
    ...(nodes === undefined
      ? []
      : [
          counter(
            'coapsule_node_datagrams',
            'Datagrams that went between gateways behind one address, by what became of them.',
            labelled('event', [nodes]),
          ),
        ]),
    ...(broker === undefined
      ? []
      : [
          gauge(
            'coapsule_broker_connected',
            '1 while the message broker is connected.',
            Number(broker.isConnected),
          ),
          gauge(
            'coapsule_outbox_readings',
            'Readings that the broker has not acknowledged.',
            broker.outboxEntries,
          ),
          gauge('coapsule_outbox_bytes', 'What they take.', broker.outboxBytes),
        ]),
    gauge('coapsule_serial_lines', 'Serial lines, by whether they are there.', [
      { labels: { state: 'open' }, value: lines.open },
      { labels: { state: 'missing' }, value: lines.all - lines.open },
    ]),
    ...(freeDiskBytes === undefined
      ? []
      : [gauge('coapsule_disk_free_bytes', 'Free on the disk with the data folder.', freeDiskBytes)]),
    ...(totalDiskBytes === undefined
      ? []
      : [gauge('coapsule_disk_size_bytes', 'Size of the disk with the data folder.', totalDiskBytes)]),
    ...(httpStreams === undefined
      ? []
      : [gauge('coapsule_http_event_streams', 'Event streams over HTTP.', httpStreams)]),
  ];
}

/** One point for each name of several sets of counts. */
function labelled(label: string, all: readonly Readonly<Record<string, number>>[]): Points {
  const sums = new LabelledSums();
  for (const counts of all)
    for (const [name, count] of Object.entries(counts)) sums.add({ [label]: name }, count);
  return sums.points();
}

function sum(threads: readonly ThreadStatistics[], value: (thread: ThreadStatistics) => number): number {
  return threads.reduce((total, thread) => total + value(thread), 0);
}

/** `timedOut` as `timed_out`. */
function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Sums by labels. */
class LabelledSums {
  readonly #sums = new Map<string, { readonly labels: Labels; value: number }>();

  add(labels: Labels, value: number): void {
    const key = Object.values(labels).join('\0');
    const known = this.#sums.get(key);
    if (known === undefined) this.#sums.set(key, { labels, value });
    else known.value += value;
  }

  points(): Points {
    return [...this.#sums.values()];
  }
}
