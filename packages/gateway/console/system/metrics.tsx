/**
 * The gateway itself and all its metrics, those that change first.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { MetricsView } from '../../src/console/api-types.ts';
import { ask } from '../gateway/api.ts';
import { useResource } from '../gateway/resource.ts';
import { TextField } from '../parts/fields.tsx';
import { figure } from '../parts/figures.ts';
import { Card, DataTable, Figures, Notice, Page } from '../parts/pieces.tsx';
import { Plot } from '../parts/plot.tsx';
import { Problem } from '../parts/problem.tsx';
import { matches } from '../shell/find.ts';
import { urlState } from '../shell/location.ts';
import { text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';
import { ago } from './durations.ts';

const schema = { search: textParameter('', 200), plot: textParameter('', 500) };

const text = words.metrics;

const mostSamples = 300;

export default function Metrics() {
  const [state, set] = urlState(schema);
  const info = useResource((signal) => ask('GET /api/gateway', { signal }), 'gateway', 5000);
  const metrics = useResource((signal) => ask('GET /api/metrics', { signal }), 'metrics', 2000);
  const samples = useSignal<readonly (readonly [atMs: number, value: number])[]>([]);
  const sampled = useRef('');
  const { value: gateway, problem } = info.state.value;
  const { value, problem: metricsProblem } = metrics.state.value;
  const points = value === undefined ? [] : pointsOf(value);
  const found = points.filter(({ name, help }) => matches(`${name} ${help}`, state.search));
  const chosen = points.find(({ name }) => name === state.plot);
  const sample = chosen === undefined ? '' : `${state.plot} ${value?.atMs}`;
  if (value !== undefined && chosen !== undefined && sampled.current !== sample) {
    const isSame = sampled.current.startsWith(`${state.plot} `);
    sampled.current = sample;
    samples.value = [
      ...(isSame ? samples.peek().slice(1 - mostSamples) : []),
      [value.atMs, chosen.value] as const,
    ];
  }
  return (
    <Page title={words.views.metrics.title} lead={text.lead}>
      <Problem of={problem} />
      {gateway !== undefined && (
        <Card title={text.gateway}>
          <Notice
            kind={gateway.status === 'ready' ? 'good' : gateway.status === 'degraded' ? 'warning' : 'bad'}
          >
            {text.statuses[gateway.status]} {gateway.reasons.join(', ')}
          </Notice>
          <Figures
            of={[
              [text.version, gateway.version],
              [text.uptime, ago(gateway.uptimeSeconds)],
              [text.workers, String(gateway.workers)],
              ...gateway.endpoints.map(({ name, address }) => [name, address] as const),
            ]}
          />
        </Card>
      )}
      <Card title={text.metrics}>
        <Problem of={metricsProblem} />
        {state.plot !== '' && samples.value.length > 0 && (
          <Plot
            title={state.plot}
            xLabel=""
            yLabel=""
            isTime
            x={samples.value.map(([atMs]) => atMs / 1000)}
            tableEvery={5}
            lines={[
              { label: text.value, colour: 0, values: samples.value.map(([, sampleValue]) => sampleValue) },
            ]}
          />
        )}
        <TextField
          label={text.search}
          type="search"
          value={state.search}
          onChange={(search) => set({ search })}
        />
        <DataTable
          caption={text.metrics}
          head={text.head}
          rows={found.map(({ name, value: count, help }) => [
            <button key="name" type="button" class="bare mono" onClick={() => set({ plot: name })}>
              {name}
            </button>,
            figure(count, 3),
            help,
          ])}
        />
      </Card>
    </Page>
  );
}

interface Point {
  readonly name: string;
  readonly value: number;
  readonly help: string;
}

function pointsOf({ families }: MetricsView): readonly Point[] {
  return families.flatMap(({ name, help, points }) =>
    points.map(({ labels, value }) => {
      const given = Object.entries(labels).map(([label, text_]) => `${label}="${text_}"`);
      return { name: given.length === 0 ? name : `${name}{${given.join(',')}}`, value, help };
    }),
  );
}
