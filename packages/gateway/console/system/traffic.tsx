/**
 * Traffic: messages as they come and go, in three panes that belong together: the list, the fields of one message, its bytes.
 *
 * Pausing loses nothing: what comes meanwhile is kept, up to a bound, and shown when it goes on.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type {
  ApiProblem,
  TrafficDetail,
  TrafficEvents,
  TrafficMessage,
} from '../../src/console/api-types.ts';
import { parseFilter } from '../../src/filter/parse-filter.ts';
import { addressOf, ask, send } from '../gateway/api.ts';
import { mayAct, revival } from '../gateway/link.ts';
import { useResource } from '../gateway/resource.ts';
import { follow } from '../gateway/streams.ts';
import { CheckField, TextField } from '../parts/fields.tsx';
import { FieldsAndBytes } from '../parts/fields-and-bytes.tsx';
import { orDash } from '../parts/figures.ts';
import { Card, Empty, Notice, Page } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { shown } from '../parts/shown.ts';
import { timeOfDay } from '../parts/times.ts';
import { urlState } from '../shell/location.ts';
import { number, text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';
import { withMessages } from './traffic-ring.ts';

const schema = { filter: textParameter('', 500), message: number(-1, Number.MAX_SAFE_INTEGER, -1) };

const text = words.traffic;

export default function Traffic() {
  const [state, set] = urlState(schema);
  const typed = useSignal(state.filter);
  const messages = useSignal<readonly TrafficMessage[]>([]);
  const waiting = useRef<readonly TrafficMessage[]>([]);
  const waitingCount = useSignal(0);
  const skipped = useSignal(0);
  const isPaused = useSignal(false);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const { filter } = state;
  useEffect(() => {
    let isGone = false;
    messages.value = [];
    waiting.current = [];
    const take = (more: readonly TrafficMessage[]): void => {
      if (isPaused.peek()) {
        waiting.current = withMessages(waiting.current, more);
        waitingCount.value = waiting.current.length;
      } else messages.value = withMessages(messages.peek(), more);
    };
    void ask('GET /api/traffic/messages', { query: { filter, limit: 200 } }).then((outcome) => {
      if (isGone) return;
      problem.value = outcome.isOk ? undefined : outcome.problem;
      if (outcome.isOk) take([...outcome.value.messages].reverse());
    });
    const stop = follow<TrafficEvents>(addressOf('GET /api/traffic/live', {}, { filter }), {
      messages: ({ messages: more, skipped: missed }) => {
        skipped.value += missed;
        take(more);
      },
      end: (why) => {
        problem.value = why ?? undefined;
      },
    });
    return () => {
      isGone = true;
      stop();
    };
  }, [filter, revival.value, messages, isPaused, problem, skipped, waitingCount]);

  const parsed = parseFilter(typed.value);
  const fault = parsed.kind === 'fault' ? parsed : undefined;
  const goOn = (): void => {
    isPaused.value = false;
    messages.value = withMessages(messages.peek(), waiting.current);
    waiting.current = [];
    waitingCount.value = 0;
  };
  return (
    <Page title={words.views.traffic.title} lead={text.lead}>
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          if (fault === undefined) set({ filter: typed.value });
        }}
      >
        <TextField
          label={text.filter}
          value={typed.value}
          hint={fault === undefined ? text.filterHint : text.filterFault(fault.offset + 1, fault.reason)}
          onChange={(value) => {
            typed.value = value;
          }}
        />
        <div class="button-row">
          <button type="submit" class="primary" disabled={fault !== undefined}>
            {text.apply}
          </button>
          <button
            type="button"
            aria-pressed={isPaused.value}
            onClick={() => {
              if (isPaused.value) goOn();
              else isPaused.value = true;
            }}
          >
            {isPaused.value ? text.goOn(waitingCount.value) : text.pause}
          </button>
        </div>
      </form>
      <Problem of={problem.value} />
      {skipped.value > 0 && <Notice kind="info">{text.skipped(skipped.value)}</Notice>}
      {messages.value.length === 0 ? (
        <Empty>{text.empty}</Empty>
      ) : (
        <MessageList
          messages={messages.value}
          chosen={state.message}
          onChoose={(message) => set({ message })}
        />
      )}
      {state.message >= 0 && (
        <Detail number={state.message} onChoose={(message) => set({ message })} key={state.message} />
      )}
      <div class="cards">
        <Findings onChoose={(message) => set({ message })} />
        <Export filter={filter} />
      </div>
    </Page>
  );
}

function MessageList({
  messages,
  chosen,
  onChoose,
}: {
  readonly messages: readonly TrafficMessage[];
  readonly chosen: number;
  readonly onChoose: (number: number) => void;
}) {
  // The newest first; what is older is in the ring, and a filter finds it.
  const drawn = messages.slice(-mostRows).reverse();
  return (
    <section class="rows" aria-label={text.list}>
      <table>
        <thead>
          <tr>
            {text.head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {drawn.map(({ number: n, atMs, direction, peer, type, code, path, length, problems }) => (
            <tr key={n} class={n === chosen ? 'chosen' : undefined}>
              <td>
                <button type="button" class="bare" aria-pressed={n === chosen} onClick={() => onChoose(n)}>
                  {n}
                </button>
              </td>
              <td class="time">{timeOfDay(atMs)}</td>
              <td>
                {text.directions[direction]} {shown(peer)}
              </td>
              <td>
                {type ?? ''} {code}
              </td>
              <td class="mono">{orDash(path, shown)}</td>
              <td>{length}</td>
              <td>
                {problems.map((one) => (
                  <span key={one} class="chip warning">
                    {one}
                  </span>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const mostRows = 200;

function Detail({
  number: n,
  onChoose,
}: {
  readonly number: number;
  readonly onChoose: (number: number) => void;
}) {
  const { state } = useResource<TrafficDetail>(
    (signal) => ask('GET /api/traffic/messages/{number}', { signal, path: { number: String(n) } }),
    String(n),
  );
  const { value, problem } = state.value;
  return (
    <Card title={text.message(n)}>
      <Problem of={problem} />
      {value !== undefined && (
        <>
          <p>{shown(value.message.summary)}</p>
          {value.exchange.length > 1 && (
            <div class="button-row">
              <span>{text.exchange}</span>
              {value.exchange.map((other) => (
                <button key={other} type="button" aria-pressed={other === n} onClick={() => onChoose(other)}>
                  {other}
                </button>
              ))}
            </div>
          )}
          {value.layers.map(({ name, bytesHex, fields, problems }, index) => (
            <section key={`${index} ${name}`}>
              <h3>{name}</h3>
              {problems.map((one) => (
                <Notice key={one} kind="warning">
                  {one}
                </Notice>
              ))}
              <FieldsAndBytes bytesHex={bytesHex} fields={fields} />
            </section>
          ))}
        </>
      )}
    </Card>
  );
}

function Findings({ onChoose }: { readonly onChoose: (number: number) => void }) {
  const { state, reload } = useResource((signal) => ask('GET /api/traffic/findings', { signal }), 'findings');
  const { value, problem } = state.value;
  return (
    <Card title={text.findings}>
      <button type="button" onClick={reload}>
        {text.lookAgain}
      </button>
      <Problem of={problem} />
      {value !== undefined &&
        (value.findings.length === 0 ? (
          <p>{text.noFindings}</p>
        ) : (
          value.findings.map(
            ({ kind, severity, where, messages, count, cause, consequence, fix, reference }) => (
              <Notice
                key={`${kind} ${where}`}
                kind={severity === 'error' ? 'bad' : severity === 'warning' ? 'warning' : 'info'}
              >
                <p>
                  <strong>
                    {kind} ({count}), {shown(where)}
                  </strong>
                </p>
                <p>
                  {cause} {consequence} {fix} <em>{reference}</em>
                </p>
                <div class="button-row">
                  {messages.slice(0, 8).map((n) => (
                    <button key={n} type="button" onClick={() => onChoose(n)}>
                      {n}
                    </button>
                  ))}
                </div>
              </Notice>
            ),
          )
        ))}
    </Card>
  );
}

/** As a capture for Wireshark; the secrets only where it was asked for twice. */
function Export({ filter }: { readonly filter: string }) {
  const withSecrets = useSignal(false);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const save = async (): Promise<void> => {
    const outcome = await send('POST /api/traffic/export', {
      body: { ...(filter !== '' && { filter }), ...(withSecrets.value && { withSecrets: true }) },
    });
    if (!outcome.isOk) {
      problem.value = outcome.problem;
      return;
    }
    problem.value = undefined;
    const address = URL.createObjectURL(await outcome.value.blob());
    const link = document.createElement('a');
    link.href = address;
    link.download = 'traffic.pcapng';
    link.click();
    URL.revokeObjectURL(address);
  };
  return (
    <Card title={text.export}>
      <p>{text.exportLead}</p>
      {mayAct('admin') && (
        <CheckField
          label={text.withSecrets}
          value={withSecrets.value}
          onChange={(value) => {
            withSecrets.value = value;
          }}
        />
      )}
      {withSecrets.value && <Notice kind="warning">{text.secretsWarning}</Notice>}
      <button type="button" onClick={save}>
        {withSecrets.value ? text.saveWithSecrets : text.save}
      </button>
      <Problem of={problem.value} />
    </Card>
  );
}
