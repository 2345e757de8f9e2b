/**
 * What came of a request of the explorer: the response, what passed on the way with every byte, commands; and notifications.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import type { ExplorerResult, LadderStep } from '../../src/console/api-types.ts';
import { FieldsAndBytes } from '../parts/fields-and-bytes.tsx';
import { figure, milliseconds } from '../parts/figures.ts';
import { fromHex } from '../parts/hex-text.ts';
import { PayloadView } from '../parts/payload-view.tsx';
import { Card, CodeChip, Copyable, DataTable, Notice } from '../parts/pieces.tsx';
import { Plot } from '../parts/plot.tsx';
import { Problem } from '../parts/problem.tsx';
import { shown } from '../parts/shown.ts';
import { words } from '../wording.ts';

const text = words.explorer;

/** One of an observation. */
export interface Notification {
  readonly atMs: number;
  readonly payloadHex: string;
  readonly formatName: string | null;
  readonly sequence: number | null;
}

/** Of one exchange. */
export function ResultShown({ result }: { readonly result: ExplorerResult }) {
  const { response, problem, elapsedMs, ladder, isLadderCut, commands } = result;
  return (
    <>
      <Card title={text.response}>
        <Problem of={problem} />
        {response !== null && (
          <>
            <p class="verdict" role="status">
              <CodeChip code={response.code} /> {response.codeName}
            </p>
            <p>
              {response.explanation} {text.took(figure(elapsedMs))}
            </p>
            <PayloadView payloadHex={response.payloadHex} formatName={response.contentFormatName} />
            {response.isPayloadCut && <Notice kind="info">{text.payloadCut}</Notice>}
            {response.options.length > 0 && (
              <DataTable
                caption={text.optionsOfResponse}
                head={text.optionHead}
                rows={response.options.map(({ name, number: n, value }) => [name, String(n), value])}
              />
            )}
          </>
        )}
      </Card>
      <Card title={text.ladder}>
        <Ladder steps={ladder} />
        {isLadderCut && <Notice kind="info">{text.ladderCut}</Notice>}
      </Card>
      {commands.length > 0 && (
        <Card title={text.commands}>
          {commands.map(({ tool, command }) => (
            <Copyable key={tool} label={tool} text={command} />
          ))}
        </Card>
      )}
    </>
  );
}

function Ladder({ steps }: { readonly steps: readonly LadderStep[] }) {
  const chosen = useSignal(-1);
  const step = steps[chosen.value];
  return (
    <>
      <ol class="steps">
        {steps.map(({ atMs, kind, text: what, bytesHex }, index) => (
          <li
            key={`${index} ${atMs}`}
            class={`${kind === 'received' ? 'server' : 'client'}${kind === 'lost' ? ' lost' : ''}`}
          >
            <span>{index + 1}</span>
            <button
              type="button"
              class="bare"
              disabled={bytesHex === null}
              aria-expanded={chosen.value === index}
              onClick={() => {
                chosen.value = chosen.value === index ? -1 : index;
              }}
            >
              {text.kinds[kind]} {shown(what)}
            </button>
            <span>{milliseconds(atMs)}</span>
          </li>
        ))}
      </ol>
      {step !== undefined && step.bytesHex !== null && (
        <FieldsAndBytes bytesHex={step.bytesHex} fields={step.fields} />
      )}
    </>
  );
}

/** As numbers over time, where they are some, and as they came. */
export function Notifications({ of }: { readonly of: readonly Notification[] }) {
  const values = of.flatMap(({ atMs, payloadHex: hex }) => {
    const value = Number.parseFloat(new TextDecoder().decode(fromHex(hex)));
    return Number.isFinite(value) ? [{ atMs, value }] : [];
  });
  return (
    <>
      {values.length > 1 && (
        <Plot
          title={text.notificationPlot}
          xLabel=""
          yLabel=""
          isTime
          x={values.map(({ atMs }) => atMs / 1000)}
          lines={[{ label: text.value, colour: 0, values: values.map(({ value }) => value) }]}
        />
      )}
      <DataTable
        caption={text.notificationPlot}
        head={text.notificationHead}
        rows={of
          .slice(-50)
          .reverse()
          .map(({ atMs, sequence, payloadHex: hex }) => [
            new Date(atMs).toLocaleTimeString(),
            sequence === null ? '' : String(sequence),
            new TextDecoder().decode(fromHex(hex)).slice(0, 200),
          ])}
      />
    </>
  );
}
