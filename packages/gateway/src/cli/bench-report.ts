/**
 * The result of a load, for people and as JSON.
 *
 * @module
 */

import { codeText } from 'coapsule/message';
import type { LatencyHistogram } from '../load/latency-histogram.ts';
import type { LoadTraffic } from '../load/load-client.ts';
import type { LoadResult } from '../load/load-run.ts';

/** A load and what came of it. */
export interface BenchResult {
  readonly uri: string;
  readonly method: string;
  readonly clients: number;
  readonly confirmable: boolean;
  /** Requests a second that were asked for; without it the loop was closed. */
  readonly rate: number | undefined;
  /** `library`: clients of the library, which cost more than the others. */
  readonly generator: 'datagrams' | 'library';
  /** Unknown where the library sends. */
  readonly traffic: LoadTraffic | undefined;
  readonly load: LoadResult;
}

/** Above this share of a core the generator is the limit, as it answers for nothing else. */
const busyShare = 0.9;

/** A stable schema: fields are added, none changes. Times in ms but where the name says otherwise. */
export function benchJson(result: BenchResult): object {
  const { uri, method, clients, confirmable, rate, generator, traffic, load } = result;
  const answered = load.latencies.count;
  return {
    uri,
    method,
    clients,
    confirmable,
    loop: rate === undefined ? 'closed' : 'open',
    ...(rate !== undefined && { wantedRate: rate }),
    seconds: round(load.seconds, 3),
    answered,
    failed: failedCount(load),
    repeated: load.repeated,
    unsent: load.unsent,
    rate: round(answered / load.seconds, 1),
    latencyMs: percentiles(load.latencies),
    codes: Object.fromEntries([...load.codes].map(([code, count]) => [codeText(code), count])),
    failures: Object.fromEntries(load.failures),
    ...(traffic !== undefined && {
      sentBytes: traffic.sentBytes,
      receivedBytes: traffic.receivedBytes,
      strays: traffic.strays,
    }),
    connect: { seconds: round(load.openingSeconds, 3), ...handshakesJson(load) },
    generator: {
      kind: generator,
      cpuMicrosecondsPerRequest: round(load.cpuMicroseconds / Math.max(1, answered), 1),
      cpuShare: round(cpuShare(load), 3),
      isLimit: isLimit(result),
    },
    histogram: load.latencies.ranges(),
  };
}

/** Lines for people. */
export function benchText(result: BenchResult): string {
  const { uri, method, clients, confirmable, rate, generator, traffic, load } = result;
  const { latencies } = load;
  const answered = latencies.count;
  const lines = [
    `${method} ${uri}`,
    `${grouped(clients)} clients, ${confirmable ? 'Confirmable' : 'Non-confirmable'}, ${rate === undefined ? 'closed loop' : `${grouped(rate)} requests a second`}, ${load.seconds.toFixed(1)} s`,
    '',
    row(
      'requests',
      `${grouped(answered)} answered, ${grouped(failedCount(load))} failed, ${grouped(load.repeated)} repeated${load.unsent > 0 ? `, ${grouped(load.unsent)} not sent in time` : ''}`,
    ),
    row('rate', `${grouped(Math.round(answered / load.seconds))} a second`),
    row('codes', listed([...load.codes].map(([code, count]) => `${codeText(code)} ${grouped(count)}`))),
    row('failures', listed([...load.failures].map(([reason, count]) => `${reason} ${grouped(count)}`))),
    row('latency', latencyText(latencies)),
    ...(load.handshakes.count === 0
      ? []
      : [
          row(
            'handshakes',
            `${grouped(load.handshakes.count)} in ${load.openingSeconds.toFixed(2)} s, ${latencyText(load.handshakes)}`,
          ),
        ]),
    ...(traffic === undefined
      ? []
      : [
          row(
            'bytes',
            `${grouped(traffic.sentBytes)} sent, ${grouped(traffic.receivedBytes)} received, warming up included`,
          ),
        ]),
    row(
      'generator',
      `${(load.cpuMicroseconds / Math.max(1, answered)).toFixed(1)} µs of CPU a request, ${Math.round(100 * cpuShare(load))} % of a core`,
    ),
    ...(isLimit(result)
      ? [
          row(
            '',
            `the generator is the limit${generator === 'library' ? ' (clients of the library)' : ''}: the server may do more`,
          ),
        ]
      : []),
    '',
    ...histogramLines(latencies),
  ];
  return `${lines.join('\n')}\n`;
}

function histogramLines(latencies: LatencyHistogram): readonly string[] {
  const ranges = latencies.ranges();
  const most = Math.max(...ranges.map(({ count }) => count));
  return ranges.map(({ fromMs, toMs, count }) => {
    const share = ((100 * count) / latencies.count).toFixed(2).padStart(6);
    const bar = '#'.repeat(Math.ceil((40 * count) / most));
    return `${milliseconds(fromMs).padStart(9)} - ${milliseconds(toMs).padEnd(9)} ${share} %  ${bar}`;
  });
}

function percentiles(latencies: LatencyHistogram): object {
  return {
    mean: round(latencies.meanMs, 4),
    p50: round(latencies.quantileMs(0.5), 4),
    p90: round(latencies.quantileMs(0.9), 4),
    p99: round(latencies.quantileMs(0.99), 4),
    'p99.9': round(latencies.quantileMs(0.999), 4),
    max: round(latencies.maxMs, 4),
  };
}

function handshakesJson({ handshakes }: LoadResult): object {
  return handshakes.count === 0 ? {} : { handshakes: handshakes.count, handshakeMs: percentiles(handshakes) };
}

function latencyText(latencies: LatencyHistogram): string {
  if (latencies.count === 0) return 'none';
  const quantiles = [0.5, 0.9, 0.99, 0.999].map(
    (share) => `p${100 * share} ${milliseconds(latencies.quantileMs(share))}`,
  );
  return `${quantiles.join(', ')}, max ${milliseconds(latencies.maxMs)} ms`;
}

function failedCount({ failures }: LoadResult): number {
  return [...failures.values()].reduce((sum, count) => sum + count, 0);
}

function cpuShare({ cpuMicroseconds, seconds }: LoadResult): number {
  return cpuMicroseconds / 1e6 / seconds;
}

/** An open loop looks at the clock all the time: there only what it could not send tells. */
function isLimit({ rate, load }: BenchResult): boolean {
  return rate === undefined && cpuShare(load) > busyShare;
}

function row(name: string, text: string): string {
  return `${name.padEnd(11)} ${text}`;
}

function listed(texts: readonly string[]): string {
  return texts.length === 0 ? 'none' : texts.join(', ');
}

function milliseconds(ms: number): string {
  return ms < 10 ? ms.toFixed(3) : ms < 100 ? ms.toFixed(2) : ms.toFixed(1);
}

function grouped(number: number): string {
  return number.toLocaleString('en-US');
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
