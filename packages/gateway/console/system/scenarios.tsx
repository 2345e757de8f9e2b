/**
 * Scenarios: starts a fleet of simulated devices in the gateway, with loss and changing addresses, and watches it.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { ApiProblem, SimulationEvents, SimulationView } from '../../src/console/api-types.ts';
import { addressOf, ask } from '../gateway/api.ts';
import { mayAct, revival } from '../gateway/link.ts';
import { useResource } from '../gateway/resource.ts';
import { follow } from '../gateway/streams.ts';
import { CheckField, Inputs, NumberField, SelectField } from '../parts/fields.tsx';
import { figure } from '../parts/figures.ts';
import { Card, DataTable, Empty, Figures, Notice, Page } from '../parts/pieces.tsx';
import { Plot } from '../parts/plot.tsx';
import { Problem } from '../parts/problem.tsx';
import { urlState } from '../shell/location.ts';
import { flag, number, text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';

const schema = {
  scenario: textParameter('', 60),
  devices: number(0, 100_000, 0),
  speed: number(1, 10_000, 60),
  loss: number(0, 60, 0),
  churn: number(0, 100, 0),
  roams: flag(false),
  link: textParameter('', 30),
  seed: number(1, 1_000_000, 1),
  watch: textParameter('', 60),
};

const text = words.scenarios;

export default function Scenarios() {
  const [state, set] = urlState(schema);
  const known = useResource((signal) => ask('GET /api/simulations/scenarios', { signal }), 'scenarios');
  const running = useResource((signal) => ask('GET /api/simulations', { signal }), 'simulations', 5000);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const { value, problem: unknown } = known.state.value;
  const scenario = value?.scenarios.find(({ name }) => name === state.scenario) ?? value?.scenarios[0];
  const start = async (): Promise<void> => {
    if (scenario === undefined) return;
    const outcome = await ask('POST /api/simulations', {
      body: {
        ...{ scenario: scenario.name, speed: state.speed, seed: state.seed },
        ...(state.devices > 0 && { devices: state.devices }),
        ...(state.loss > 0 && { lossRate: state.loss / 100 }),
        ...(state.churn > 0 && { churnPerHour: state.churn / 100 }),
        ...(state.roams && { roams: true }),
        ...(state.link !== '' && { linkProfile: state.link }),
      },
    });
    if (outcome.isOk) {
      problem.value = undefined;
      set({ watch: outcome.value.id });
      running.reload();
    } else problem.value = outcome.problem;
  };
  return (
    <Page title={words.views.scenarios.title} lead={text.lead}>
      <Problem of={unknown} />
      {value !== undefined && scenario !== undefined && (
        <div class="tool">
          <Inputs title={words.tool.inputs}>
            <SelectField
              label={text.scenario}
              value={scenario.name}
              options={value.scenarios.map(({ name }) => [name, name] as const)}
              hint={scenario.summary}
              onChange={(name) => set({ scenario: name })}
            />
            <NumberField
              label={text.devices}
              value={state.devices}
              range={schema.devices}
              hint={text.devicesHint(scenario.devices, value.most.devices)}
              onChange={(devices) => set({ devices })}
            />
            <NumberField
              label={text.speed}
              value={state.speed}
              range={schema.speed}
              onChange={(speed) => set({ speed })}
            />
            <NumberField
              label={text.loss}
              unit="%"
              slides
              value={state.loss}
              range={schema.loss}
              onChange={(loss) => set({ loss })}
            />
            <CheckField label={text.roams} value={state.roams} onChange={(roams) => set({ roams })} />
            <NumberField
              label={text.churn}
              unit="%"
              value={state.churn}
              range={schema.churn}
              onChange={(churn) => set({ churn })}
            />
            <SelectField
              label={text.link}
              value={state.link}
              options={[
                ['', text.anyLink],
                ...value.linkProfiles.map((one) => [one, linkName(one)] as const),
              ]}
              onChange={(link) => set({ link })}
            />
            <NumberField
              label={text.seed}
              value={state.seed}
              range={schema.seed}
              onChange={(seed) => set({ seed })}
            />
            {mayAct('admin') ? (
              <button type="button" class="primary" onClick={start}>
                {text.start}
              </button>
            ) : (
              <Notice kind="info">{text.needsAdmin}</Notice>
            )}
            <Problem of={problem.value} />
          </Inputs>
          <div class="results">
            {state.watch !== '' && <Watched id={state.watch} key={state.watch} />}
            <Card title={text.all}>
              <All of={running.state.value.value?.simulations ?? []} onWatch={(watch) => set({ watch })} />
            </Card>
          </div>
        </div>
      )}
    </Page>
  );
}

function linkName(link: string): string {
  return (words.links as Readonly<Record<string, string>>)[link] ?? link;
}

function All({
  of,
  onWatch,
}: {
  readonly of: readonly SimulationView[];
  readonly onWatch: (id: string) => void;
}) {
  if (of.length === 0) return <Empty>{text.empty}</Empty>;
  return (
    <DataTable
      caption={text.all}
      head={text.head}
      rows={of.map(({ id, scenario, devices, state, startedBy }) => [
        <button key="id" type="button" class="bare" onClick={() => onWatch(id)}>
          {scenario}
        </button>,
        devices,
        text.states[state],
        startedBy,
      ])}
    />
  );
}

function Watched({ id }: { readonly id: string }) {
  const view = useSignal<SimulationView | undefined>(undefined);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  useEffect(
    () =>
      follow<SimulationEvents>(addressOf('GET /api/simulations/{id}/events', { id }), {
        progress: (progress) => {
          view.value = progress;
        },
        end: (why) => {
          problem.value = why ?? undefined;
        },
      }),
    [id, revival.value, view, problem],
  );
  const { value } = view;
  const stop = async (): Promise<void> => {
    const outcome = await ask('DELETE /api/simulations/{id}', { path: { id } });
    if (outcome.isOk) view.value = outcome.value;
    else problem.value = outcome.problem;
  };
  if (value === undefined) return <Problem of={problem.value} />;
  const x = value.timeline.map((_, at) => at);
  return (
    <Card title={`${value.scenario} (${text.states[value.state]})`}>
      <Problem of={problem.value ?? value.problem} />
      <Figures
        of={[
          [text.devices, figure(value.devices)],
          [text.simulated, `${figure(value.simulatedSeconds)} / ${figure(value.durationSeconds)} s`],
          ...Object.entries(value.outcomes).map(([name, count]) => [name, figure(count)] as const),
        ]}
      />
      {value.state === 'running' && mayAct('admin') && (
        <button type="button" class="danger" onClick={stop}>
          {text.stop}
        </button>
      )}
      {x.length > 1 && (
        <Plot
          title={text.plot}
          xLabel={text.plotAxis}
          yLabel=""
          x={x}
          tableEvery={5}
          lines={[
            { label: text.sent, colour: 0, values: value.timeline.map(({ sent }) => sent) },
            {
              ...{ label: text.acknowledged, colour: 5, dash: [6, 4] },
              values: value.timeline.map(({ acknowledged }) => acknowledged),
            },
            { label: text.lost, colour: 1, dash: [2, 4], values: value.timeline.map(({ lost }) => lost) },
          ]}
        />
      )}
      <DataTable
        caption={text.groups}
        head={text.groupHead}
        rows={value.groups.map((group) => [
          group.name,
          group.devices,
          group.sent,
          group.acknowledged,
          group.lost,
          group.handshakes,
          group.lostDatagrams,
          group.addressChanges,
        ])}
      />
    </Card>
  );
}
