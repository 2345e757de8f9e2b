/**
 * Runs a collection, the text that `coapsule run` reads too, and shows its steps as they end.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { ApiProblem, CollectionEvents } from '../../src/console/api-types.ts';
import { askEvents } from '../gateway/streams.ts';
import { TextField } from '../parts/fields.tsx';
import { milliseconds } from '../parts/figures.ts';
import { DataTable, Notice } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { words } from '../wording.ts';
import { withStep } from './collection-step.ts';
import type { ExplorerState } from './explorer-request.ts';
import { TextFileField } from './text-file-field.tsx';

const text = words.explorer;

/** Its text stays in this view alone. @param code What the request that is typed in was answered with. */
export function CollectionRunner({
  state,
  code,
}: {
  readonly state: ExplorerState;
  readonly code: string | undefined;
}) {
  const content = useSignal('');
  const environmentName = useSignal('');
  const steps = useSignal<readonly CollectionEvents['step'][]>([]);
  const summary = useSignal<CollectionEvents['summary'] | undefined>(undefined);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const stop = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => stop.current?.abort(), []);
  const run = async (): Promise<void> => {
    stop.current?.abort();
    const own = new AbortController();
    stop.current = own;
    steps.value = [];
    summary.value = undefined;
    problem.value = undefined;
    const why = await askEvents(
      'POST /api/collections/run',
      {
        body: {
          text: content.value,
          ...(environmentName.value.trim() !== '' && { environmentName: environmentName.value.trim() }),
        },
        signal: own.signal,
      },
      {
        step: (step) => {
          steps.value = [...steps.value, step];
        },
        summary: (value) => {
          summary.value = value;
        },
      },
    );
    if (why !== undefined) problem.value = why;
  };
  return (
    <>
      <TextFileField
        label={text.collection}
        lines={8}
        value={content.value}
        hint={text.collectionHint}
        onChange={(value) => {
          content.value = value;
        }}
      />
      <TextField
        label={text.environment}
        value={environmentName.value}
        hint={text.environmentHint}
        onChange={(value) => {
          environmentName.value = value;
        }}
      />
      <div class="button-row">
        <button type="button" onClick={run} disabled={content.value.trim() === ''}>
          {text.runCollection}
        </button>
        <button
          type="button"
          onClick={() => {
            const more = withStep(content.value, state, undefined, code);
            if (more === undefined) problem.value = { code: 'invalid', message: text.noStep };
            else content.value = more;
          }}
        >
          {text.addStep}
        </button>
        {content.value.trim() !== '' && (
          <a
            class="button"
            download="requests.coap.yml"
            href={`data:text/yaml;charset=utf-8,${encodeURIComponent(content.value)}`}
          >
            {words.copy.save('requests.coap.yml')}
          </a>
        )}
      </div>
      <Problem of={problem.value} />
      {steps.value.length > 0 && (
        <DataTable
          caption={text.collections}
          head={text.collectionHead}
          rows={steps.value.map(({ name, isOk, elapsedMs, failures }) => [
            name,
            isOk ? words.yes : words.no,
            milliseconds(elapsedMs),
            failures.join(' '),
          ])}
        />
      )}
      {summary.value !== undefined && (
        <Notice kind={summary.value.failed === 0 ? 'good' : 'bad'} live>
          {text.collectionSummary(summary.value.passed, summary.value.failed)}
        </Notice>
      )}
    </>
  );
}
