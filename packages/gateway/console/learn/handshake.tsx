/**
 * DTLS Handshake Step Explorer: flight by flight, with bytes, time and energy; and the same for real, by the library's own engine.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { type HandshakePlan, handshakePlan } from '../../src/figures/handshake-steps.ts';
import { dtlsBytes, exchangeBytes, oscoreBytes } from '../../src/figures/protection-sizes.ts';
import {
  handshakePresets,
  type Radio,
  radioCost,
  simpleRadio,
  stepRadio,
} from '../../src/figures/radio-energy.ts';
import { securedLatency } from '../../src/figures/secured-latency.ts';
import type { RunOutcome } from '../engine/handshake-run.ts';
import { CheckField, Inputs, NumberField, SelectField } from '../parts/fields.tsx';
import { figure, percent } from '../parts/figures.ts';
import { Card, DataTable, Figures, Notice, Page } from '../parts/pieces.tsx';
import { urlState } from '../shell/location.ts';
import { choice, flag, number, type StateOf } from '../shell/url-state.ts';
import { words } from '../wording.ts';
import { cleanShare, expectedExtraMs } from './handshake-loss.ts';

const schema = {
  mode: choice(['none', 'dtls-psk', 'dtls-certificate', 'oscore'], 'dtls-psk'),
  latency: number(1, 1000, 20),
  cookie: flag(true),
  resumption: flag(false),
  link: choice(['udp', 'serial-115200', 'serial-9600'], 'udp'),
  loss: number(0, 40, 0),
  radio: choice(['step', 'simple', 'own'], 'step'),
  kbit: number(1, 100_000, 250),
  send: number(0.1, 1000, 20),
  receive: number(0.1, 1000, 15),
  volts: number(1, 48, 3.3),
  messages: number(1, 10_000_000, 1000),
  step: number(0, 20, 0),
  seed: number(1, 1_000_000, 1),
};

type State = StateOf<typeof schema>;

const text = words.handshake;

export default function HandshakeExplorer() {
  const [state, set] = urlState(schema);
  const baud = baudOf(state);
  const plan = handshakePlan({
    mode: state.mode,
    cookie: state.cookie,
    resumption: state.resumption,
    roundTripMs: state.latency,
    radio: radioOf(state),
    ...(baud !== undefined && { baud }),
  });
  const hasHandshake = state.mode.startsWith('dtls');
  return (
    <Page title={words.views.handshake.title} lead={text.lead}>
      <div class="tool">
        <Inputs title={words.tool.inputs}>
          <SelectField
            label={text.mode}
            value={state.mode}
            options={schema.mode.choices.map((one) => [one, words.modes[one]] as const)}
            onChange={(mode) => set({ mode, step: 0 })}
          />
          <NumberField
            label={text.latency}
            unit="ms"
            slides
            value={state.latency}
            range={schema.latency}
            step="any"
            hint={text.latencyHint}
            onChange={(latency) => set({ latency })}
          />
          <div class="button-row">
            {[20, 50].map((ms) => (
              <button key={ms} type="button" onClick={() => set({ latency: ms })}>
                {text.latencyPreset(ms, securedLatency({ roundTripMs: ms, cookie: state.cookie }).firstMs)}
              </button>
            ))}
          </div>
          {hasHandshake && (
            <>
              <CheckField
                label={text.cookie}
                value={state.cookie}
                hint={text.cookieHint}
                onChange={(cookie) => set({ cookie, step: 0 })}
              />
              <CheckField
                label={text.resumption}
                value={state.resumption}
                hint={text.resumptionHint}
                onChange={(resumption) => set({ resumption, step: 0 })}
              />
            </>
          )}
          <SelectField
            label={text.link}
            value={state.link}
            options={schema.link.choices.map((one) => [one, text.links[one]] as const)}
            onChange={(link) => set({ link })}
          />
          <NumberField
            label={text.loss}
            unit="%"
            slides
            value={state.loss}
            range={schema.loss}
            onChange={(loss) => set({ loss })}
          />
          <SelectField
            label={text.radio}
            value={state.radio}
            options={schema.radio.choices.map((one) => [one, text.radios[one]] as const)}
            onChange={(radio) => set({ radio })}
          />
          {state.radio === 'own' &&
            (
              [
                ['kbit', 'kbit/s'],
                ['send', 'mA'],
                ['receive', 'mA'],
                ['volts', 'V'],
              ] as const
            ).map(([name, unit]) => (
              <NumberField
                key={name}
                label={text.radioParts[name]}
                unit={unit}
                step="any"
                value={state[name]}
                range={schema[name]}
                onChange={(value) => set({ [name]: value })}
              />
            ))}
          <NumberField
            label={text.messages}
            value={state.messages}
            range={schema.messages}
            hint={text.messagesHint}
            onChange={(messages) => set({ messages })}
          />
        </Inputs>
        <div class="results">
          <Card title={text.steps}>
            <Steps
              plan={plan}
              step={Math.min(state.step, plan.steps.length - 1)}
              onStep={(step) => set({ step })}
            />
          </Card>
          <Card title={text.totals}>
            <Totals plan={plan} state={state} hasHandshake={hasHandshake} />
          </Card>
          {hasHandshake && (
            <Card title={text.spread}>
              <Spread plan={plan} />
            </Card>
          )}
          {hasHandshake && (
            <Card title={text.real}>
              <RealRun state={state} onSeed={(seed) => set({ seed })} />
            </Card>
          )}
          <Card title={text.presets}>
            <p>{text.presetsLead}</p>
            <DataTable
              caption={text.presets}
              head={text.presetHead}
              rows={handshakePresets.map((preset) => {
                const cost = radioCost(preset.radio, preset);
                return [
                  preset.name,
                  preset.printed,
                  `${figure(cost.milliampSeconds, 4)} mAs`,
                  `${figure(cost.microampHours, 4)} µAh`,
                  `${figure(cost.millijoules, 2)} mJ`,
                  preset.reason,
                ];
              })}
            />
          </Card>
        </div>
      </div>
    </Page>
  );
}

function Steps({
  plan: { steps },
  step,
  onStep,
}: {
  readonly plan: HandshakePlan;
  readonly step: number;
  readonly onStep: (step: number) => void;
}) {
  const last = steps.length - 1;
  const current = steps[step]!;
  const move: readonly (readonly [text: string, to: number])[] = [
    [text.first, 0],
    [text.previous, Math.max(0, step - 1)],
    [text.next, Math.min(last, step + 1)],
    [text.last, last],
  ];
  return (
    <>
      <div class="button-row">
        {move.map(([label, to]) => (
          <button
            key={label}
            type="button"
            // Not disabled: that would take the focus away from whoever pressed it by keyboard.
            aria-disabled={to === step}
            onClick={() => onStep(to)}
          >
            {label}
          </button>
        ))}
        <span role="status">
          {text.where(step + 1, steps.length)}: {current.messages.join(', ')}
        </span>
      </div>
      <ol class="steps">
        {steps.map(({ number: n, from, messages, bytes, startMs, endMs, cost }, index) => (
          <li
            key={n}
            class={`${from}${index > step ? ' to-come' : ''}`}
            aria-current={index === step ? 'step' : undefined}
          >
            <span>{n}</span>
            <strong>
              {text.from[from]} {messages.join(', ')}
            </strong>
            <span>{text.bytes(bytes)}</span>
            <span class="detail">
              {text.timeAndCost(
                figure(startMs),
                figure(endMs),
                figure(cost.microampHours, 4),
                figure(cost.millijoules, 3),
              )}
              {index === step && <> {explanationOf(messages)}</>}
            </span>
          </li>
        ))}
      </ol>
    </>
  );
}

function explanationOf(messages: readonly string[]): string {
  return messages.flatMap((name) => text.explanations[name] ?? []).join(' ');
}

function Totals({
  plan,
  state,
  hasHandshake,
}: {
  readonly plan: HandshakePlan;
  readonly state: State;
  readonly hasHandshake: boolean;
}) {
  const loss = state.loss / 100;
  const flights = plan.steps.length - 2;
  return (
    <>
      <Figures
        of={[
          [text.handshakeBytes, text.bytes(plan.handshakeBytes)],
          [text.handshakeTime, `${figure(plan.handshakeMs)} ms`],
          [
            text.handshakeEnergy,
            `${figure(plan.cost.microampHours, 4)} µAh, ${figure(plan.cost.millijoules, 2)} mJ`,
          ],
          [text.firstAnswer, `${figure(plan.firstAnswerMs)} ms`],
          [text.laterAnswer, `${figure(plan.laterAnswerMs)} ms`],
          [
            text.amortised(figure(state.messages)),
            `${figure(plan.cost.milliampSeconds / state.messages, 7)} mAs, ${figure(plan.handshakeBytes / state.messages, 3)} B`,
          ],
        ]}
      />
      <Protection mode={state.mode} />
      {hasHandshake && loss > 0 && (
        <Notice kind="info">
          {text.lossEffect(
            percent(cleanShare(flights, loss)),
            figure(expectedExtraMs(flights, loss) / 1000, 2),
          )}
        </Notice>
      )}
      {!hasHandshake && (
        <Notice kind="info">{text.noHandshake[state.mode === 'oscore' ? 'oscore' : 'none']}</Notice>
      )}
    </>
  );
}

/** What a handshake is to each message, by how many it serves. */
function Spread({ plan }: { readonly plan: HandshakePlan }) {
  return (
    <>
      <p>{text.spreadLead}</p>
      <DataTable
        caption={text.spread}
        head={text.spreadHead}
        rows={[1, 10, 100, 1000, 10_000].map((messages) => [
          figure(messages),
          `${figure(plan.handshakeBytes / messages, 4)} B`,
          `${figure(plan.cost.milliampSeconds / messages, 7)} mAs`,
          `${figure(plan.cost.millijoules / messages, 6)} mJ`,
        ])}
      />
    </>
  );
}

/** What of the exchange behind the handshake is there for protection, and what else makes it longer. */
function Protection({ mode }: { readonly mode: State['mode'] }) {
  if (mode === 'none') return null;
  const isOscore = mode === 'oscore';
  const { request, response } = isOscore ? oscoreBytes() : { request: dtlsBytes(), response: dtlsBytes() };
  const [own, plain] = [exchangeBytes(isOscore ? 'oscore' : 'dtls'), exchangeBytes('none')];
  return (
    <>
      <Figures of={[[text.protection, text.protectionBytes(request, response)]]} />
      <p class="hint">
        {isOscore
          ? text.oscoreBlocks(own.sent - plain.sent - request, own.received - plain.received - response)
          : text.tokens}
      </p>
    </>
  );
}

function RealRun({ state, onSeed }: { readonly state: State; readonly onSeed: (seed: number) => void }) {
  const outcome = useSignal<RunOutcome | undefined>(undefined);
  const problem = useSignal('');
  const run = async (seed: number): Promise<void> => {
    onSeed(seed);
    try {
      const { runHandshake } = await import('../engine/handshake-run.ts');
      const baud = baudOf(state);
      outcome.value = runHandshake({
        mode: state.mode === 'dtls-certificate' ? 'certificate' : 'psk',
        resumption: state.resumption,
        roundTripMs: state.latency,
        loss: state.loss / 100,
        seed,
        ...(baud !== undefined && { baud }),
      });
      problem.value = '';
    } catch (error) {
      problem.value = error instanceof Error ? error.message : String(error);
    }
  };
  const { value: found } = outcome;
  return (
    <>
      <p>{text.realLead}</p>
      {!state.cookie && <Notice kind="info">{text.realCookie}</Notice>}
      <div class="button-row">
        <button type="button" class="primary" onClick={() => run(state.seed)}>
          {text.run}
        </button>
        <button type="button" onClick={() => run(state.seed + 1)}>
          {text.runAgain}
        </button>
      </div>
      {problem.value !== '' && <Notice kind="bad">{problem.value}</Notice>}
      {found !== undefined && <RunShown outcome={found} radio={radioOf(state)} />}
    </>
  );
}

function RunShown({ outcome, radio }: { readonly outcome: RunOutcome; readonly radio: Radio }) {
  const { datagrams, connectedMs, answeredMs, resumed } = outcome;
  const handshake = datagrams.filter(({ isHandshake }) => isHandshake);
  const bytes = (from: 'client' | 'server'): number =>
    handshake.filter((one) => one.from === from).reduce((sum, { bytes: own }) => sum + own.length, 0);
  const cost = radioCost(radio, { sentBytes: bytes('client'), receivedBytes: bytes('server') });
  return (
    <>
      <Notice kind={answeredMs === undefined ? 'bad' : 'good'} live>
        {answeredMs === undefined || connectedMs === undefined
          ? text.realFailed
          : text.realDone(
              handshake.length,
              bytes('client') + bytes('server'),
              figure(connectedMs),
              figure(answeredMs),
              resumed,
            )}{' '}
        {text.realCost(figure(cost.microampHours, 4), figure(cost.millijoules, 2))}
      </Notice>
      <ol class="steps">
        {datagrams.map(({ from, atMs, isLost, isRepeated, messages, bytes: own }, index) => (
          <li key={index} class={`${from}${isLost ? ' lost' : ''}`}>
            <span>{index + 1}</span>
            <strong>
              {text.from[from]} {messages.join(', ')}
            </strong>
            <span>{text.bytes(own.length)}</span>
            <span class="detail">
              {figure(atMs)} ms{isRepeated ? `, ${text.repeated}` : ''}
              {isLost ? `, ${text.lost}` : ''}
            </span>
          </li>
        ))}
      </ol>
    </>
  );
}

function radioOf({ radio, kbit, send, receive, volts }: State): Radio {
  if (radio === 'step') return stepRadio;
  if (radio === 'simple') return simpleRadio;
  return { bitsPerSecond: 1000 * kbit, sendMilliamps: send, receiveMilliamps: receive, volts };
}

function baudOf({ link }: Pick<State, 'link'>): number | undefined {
  return link === 'udp' ? undefined : Number(link.slice('serial-'.length));
}
