/**
 * The eavesdropper: one reading of a hospital in four ways, and what somebody with a radio reads of it.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { WireView } from '../engine/wire-view.ts';
import { Inputs, TextField } from '../parts/fields.tsx';
import { toHex } from '../parts/hex-text.ts';
import { Card, DataTable, Notice, Page } from '../parts/pieces.tsx';
import { urlState } from '../shell/location.ts';
import { text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';

const schema = {
  path: textParameter('/ward-3/bed-12/heart-rate', 100),
  value: textParameter('72 bpm', 100),
};

const text = words.eavesdropper;

export default function Eavesdropper() {
  const [state, set] = urlState(schema);
  const shown = useSignal<readonly WireView[]>([]);
  const problem = useSignal('');
  const { path, value } = state;
  useEffect(() => {
    let isGone = false;
    import('../engine/wire-view.ts').then(({ wireViews }) => {
      if (isGone) return;
      try {
        shown.value = wireViews({ path, value });
        problem.value = '';
      } catch (error) {
        problem.value = error instanceof Error ? error.message : String(error);
      }
    });
    return () => {
      isGone = true;
    };
  }, [path, value, shown, problem]);
  return (
    <Page title={words.views.eavesdropper.title} lead={text.lead}>
      <Inputs title={words.tool.inputs}>
        <TextField label={text.path} value={path} onChange={(given) => set({ path: given })} />
        <TextField label={text.value} value={value} onChange={(given) => set({ value: given })} />
      </Inputs>
      {problem.value !== '' && <Notice kind="bad">{problem.value}</Notice>}
      <p>
        <span class="bytes">
          <span class="readable">{text.readable}</span> <span class="hidden">{text.hidden}</span>
        </span>
      </p>
      <div class="cards">
        {shown.value.map((view) => (
          <Card key={view.protection} title={text.ways[view.protection].title}>
            <Wire view={view} />
          </Card>
        ))}
      </div>
      <Card title={text.meaning}>
        <p>{text.metadata}</p>
        <p>{text.noLegalClaim}</p>
      </Card>
    </Page>
  );
}

function Wire({
  view: { protection, bytes, fields, extraBytes, protectionBytes },
}: {
  readonly view: WireView;
}) {
  return (
    <>
      <p>{text.ways[protection].about}</p>
      <p class="bytes">
        {fields.map(({ start, end, value }) => (
          <span key={start} class={value === undefined ? 'hidden' : 'readable'}>
            {toHex(bytes.subarray(start, end), ' ')}{' '}
          </span>
        ))}
      </p>
      <DataTable
        caption={text.fieldsOf(text.ways[protection].title)}
        head={text.head}
        rows={fields.map(({ name, start, end, value }) => [
          name,
          String(end - start),
          value ?? <em key="hidden">{text.scrambled}</em>,
        ])}
      />
      <p>{text.size(bytes.length, extraBytes, protectionBytes)}</p>
    </>
  );
}
