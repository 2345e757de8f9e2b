/**
 * Deep-sleep battery planner: how a device that sleeps stays protected, and how long its battery lasts.
 *
 * @module
 */

import { adviseSleep, associationBytes } from '../../src/advice/deep-sleep.ts';
import { batteryLife, type HandshakePolicy } from '../../src/figures/battery-life.ts';
import {
  rejectedShare,
  sleepBattery,
  sleepFigures,
  sleepPresets,
} from '../../src/figures/deep-sleep-presets.ts';
import { CheckField, Inputs, NumberField, SelectField } from '../parts/fields.tsx';
import { figure, orDash, percent } from '../parts/figures.ts';
import { Card, DataTable, Figures, Notice, Page } from '../parts/pieces.tsx';
import { Plot } from '../parts/plot.tsx';
import { urlState } from '../shell/location.ts';
import { choice, flag, number, type StateOf } from '../shell/url-state.ts';
import { words } from '../wording.ts';

const schema = {
  sleeps: flag(true),
  dtls: flag(false),
  retained: number(0, 1_000_000, 0),
  secured: flag(true),
  capacity: number(1, 1_000_000, sleepBattery.capacityMilliampHours),
  volts: number(0.5, 48, sleepBattery.volts),
  perDay: number(0, 86_400, sleepBattery.messagesPerDay),
  message: number(0, 1_000_000, sleepBattery.protectedMessageMillijoules),
  handshake: number(0, 1_000_000, sleepBattery.handshakeMillijoules),
  wake: number(0, 1_000_000, 0),
  sleepMicroamps: number(0, 100_000, 10),
  selfDischarge: number(0, 50, 2),
  policy: choice<HandshakePolicy>(['never', 'once', 'every-wake'], 'never'),
};

const text = words.sleep;
const perDays = [1, 2, 4, 8, 12, 24, 48, 96, 144, 288];

export default function SleepPlanner() {
  const [state, set] = urlState(schema);
  const advice = adviseSleep({
    deepSleep: state.sleeps,
    dtlsRequired: state.dtls,
    retainedBytes: state.retained,
    secured: state.secured,
  });
  return (
    <Page title={words.views.sleep.title} lead={text.lead}>
      <div class="tool">
        <Inputs title={words.tool.inputs}>
          {(['sleeps', 'dtls', 'secured'] as const).map((name) => (
            <CheckField
              key={name}
              label={text.facts[name]}
              value={state[name]}
              onChange={(value) => set({ [name]: value })}
            />
          ))}
          <NumberField
            label={text.retained}
            unit="B"
            value={state.retained}
            range={schema.retained}
            hint={text.retainedHint(associationBytes)}
            onChange={(retained) => set({ retained })}
          />
          {numbers.map(([name, unit]) => (
            <NumberField
              key={name}
              label={text.numbers[name]}
              unit={unit}
              step="any"
              value={state[name]}
              range={schema[name]}
              onChange={(value) => set({ [name]: value })}
            />
          ))}
          <SelectField
            label={text.policy}
            value={state.policy}
            options={schema.policy.choices.map((one) => [one, text.policies[one]] as const)}
            onChange={(policy) => set({ policy })}
          />
        </Inputs>
        <div class="results">
          <Card title={text.advice}>
            <p class="verdict" role="status">
              {text.approaches[advice.approach]}
            </p>
            <Notice kind={advice.isRecommended ? 'good' : 'warning'}>{advice.reason}</Notice>
          </Card>
          <Card title={text.life}>
            <Life state={state} />
          </Card>
          <Card title={text.presets}>
            <p>
              {text.presetsLead(
                sleepBattery.capacityMilliampHours,
                sleepBattery.volts,
                sleepBattery.messagesPerDay,
              )}
            </p>
            <DataTable
              caption={text.presets}
              head={text.presetHead}
              rows={sleepPresets.map(({ approach }) => {
                const { preset, millijoulesPerDay, years, monthsInJoules, impliedMicroamps } =
                  sleepFigures(approach);
                return [
                  preset.title,
                  text.months(preset.printedMonths),
                  orDash(millijoulesPerDay, figure),
                  orDash(years, figure),
                  orDash(monthsInJoules, figure),
                  `${figure(impliedMicroamps, 0)} µA`,
                  preset.reason,
                ];
              })}
            />
            <Notice kind="info">{text.broken(percent(rejectedShare(sleepBattery.messagesPerDay), 0))}</Notice>
            <div class="button-row">
              {sleepPresets.flatMap(({ inputs, title }) =>
                inputs === undefined
                  ? []
                  : [
                      <button
                        key={title}
                        type="button"
                        onClick={() =>
                          set({
                            capacity: inputs.capacityMilliampHours,
                            volts: inputs.volts,
                            perDay: inputs.messagesPerDay,
                            message: inputs.messageMillijoules,
                            handshake: inputs.handshakeMillijoules,
                            ...{ wake: 0, sleepMicroamps: 0, selfDischarge: 0 },
                            policy: inputs.handshakes,
                          })
                        }
                      >
                        {text.take(title)}
                      </button>,
                    ],
              )}
            </div>
          </Card>
        </div>
      </div>
    </Page>
  );
}

const numbers = [
  ['capacity', 'mAh'],
  ['volts', 'V'],
  ['perDay', '1/d'],
  ['message', 'mJ'],
  ['handshake', 'mJ'],
  ['wake', 'mJ'],
  ['sleepMicroamps', 'µA'],
  ['selfDischarge', '%'],
] as const;

function lifeOf(
  state: StateOf<typeof schema>,
  changes: { readonly perDay?: number; readonly policy?: HandshakePolicy },
) {
  const { perDay = state.perDay, policy = state.policy } = changes;
  try {
    return batteryLife({
      capacityMilliampHours: state.capacity,
      volts: state.volts,
      sleepMicroamps: state.sleepMicroamps,
      wakeMillijoules: state.wake,
      handshakeMillijoules: state.handshake,
      messageMillijoules: state.message,
      messagesPerDay: perDay,
      handshakes: policy,
      selfDischargePerYear: state.selfDischarge / 100,
    });
  } catch {
    // A device that takes nothing lasts for ever.
    return undefined;
  }
}

function Life({ state }: { readonly state: StateOf<typeof schema> }) {
  const life = lifeOf(state, {});
  if (life === undefined) return <Notice kind="info">{text.forEver}</Notice>;
  return (
    <>
      <Figures
        of={[
          [text.lasts, text.monthsAndYears(figure(life.months), figure(life.months / 12))],
          [text.average, `${figure(life.averageMicroamps, 2)} µA`],
          [text.daily, `${figure(life.millijoulesPerDay)} mJ`],
          [text.dailyMessages, `${figure(life.messagesMillijoulesPerDay)} mJ`],
          [text.dailySleep, `${figure(life.sleepMillijoulesPerDay)} mJ`],
          [text.dailyDischarge, `${figure(life.selfDischargeMillijoulesPerDay)} mJ`],
        ]}
      />
      <Plot
        title={text.plot}
        xLabel={text.numbers.perDay}
        yLabel={text.plotAxis}
        x={perDays}
        mark={state.perDay}
        lines={schema.policy.choices.map((policy, index) => ({
          label: text.policies[policy],
          colour: index,
          ...(index > 0 && { dash: [4 + 4 * index, 4] }),
          values: perDays.map((perDay) => {
            const months = lifeOf(state, { perDay, policy })?.months;
            return months === undefined ? null : months / 12;
          }),
        }))}
      />
    </>
  );
}
