/**
 * Metrics in the text form of Prometheus (version 0.0.4), by the OpenTelemetry SDK and its exporter.
 *
 * Loaded when somebody asks for metrics the first time. Nothing is kept here: a producer gives the SDK what was counted elsewhere.
 */
import { ValueType } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  type MetricData,
  type MetricProducer,
  MetricReader,
} from '@opentelemetry/sdk-metrics';
import { durationBoundsSeconds } from './duration-histogram.ts';
import type { MetricFamily } from './metric-families.ts';

/** For the header `Content-Type`. */
export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** Reads when it is asked to. */
class ScrapeReader extends MetricReader {
  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
}

/** Writes them. */
export class MetricsText {
  readonly #reader: ScrapeReader;
  readonly #provider: MeterProvider;
  readonly #serializer = new PrometheusSerializer(undefined, false, undefined, true, true);

  /** @param families Asked at each scrape. */
  constructor(families: () => Promise<readonly MetricFamily[]>) {
    const startedAt = timeNow();
    const producer: MetricProducer = {
      collect: async () => ({
        resourceMetrics: {
          resource: emptyResource(),
          scopeMetrics: [
            {
              scope: { name: 'coapsule' },
              metrics: (await families()).map((family) => metricData(family, startedAt)),
            },
          ],
        },
        errors: [],
      }),
    };
    this.#reader = new ScrapeReader({ metricProducers: [producer] });
    this.#provider = new MeterProvider({ readers: [this.#reader] });
  }

  /** @throws what a family could not be read for (rejects). */
  async text(): Promise<string> {
    const { resourceMetrics, errors } = await this.#reader.collect();
    if (errors.length > 0) throw errors[0];
    return this.#serializer.serialize(resourceMetrics);
  }

  async close(): Promise<void> {
    await this.#provider.shutdown();
  }
}

type Time = [seconds: number, nanoseconds: number];

function timeNow(): Time {
  const now = Date.now();
  return [Math.floor(now / 1000), (now % 1000) * 1e6];
}

function metricData(family: MetricFamily, startTime: Time): MetricData {
  const endTime = timeNow();
  const { name, help: description } = family;
  const descriptor = { name, description, unit: '', valueType: ValueType.DOUBLE };
  const shared = { descriptor, aggregationTemporality: AggregationTemporality.CUMULATIVE };
  switch (family.kind) {
    case 'counter':
    case 'gauge': {
      const dataPoints = family.points.map(({ labels, value }) => ({
        ...{ startTime, endTime, value },
        attributes: labels,
      }));
      return family.kind === 'gauge'
        ? { ...shared, dataPointType: DataPointType.GAUGE, dataPoints }
        : { ...shared, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
    }
    case 'histogram':
      return {
        ...shared,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: family.points.map(({ labels, durations: { counts, sumSeconds } }) => ({
          ...{ startTime, endTime },
          attributes: labels,
          value: {
            buckets: { boundaries: [...durationBoundsSeconds], counts: [...counts] },
            sum: sumSeconds,
            count: counts.reduce((total, count) => total + count, 0),
          },
        })),
      };
  }
}
