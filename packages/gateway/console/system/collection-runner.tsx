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

const text = words.explorer;

/** Its text stays in this view alone. */
export function CollectionRunner() {
  const content = useSignal('');
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
      { body: { text: content.value }, signal: own.signal },
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
      <TextField
        label={text.collection}
        lines={5}
        value={content.value}
        hint={text.collectionHint}
        onChange={(value) => {
          content.value = value;
        }}
      />
      <button type="button" onClick={run} disabled={content.value.trim() === ''}>
        {text.runCollection}
      </button>
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
