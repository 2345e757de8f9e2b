/**
 * The eavesdropper: one reading of a hospital in four ways, and what somebody with a radio reads of it.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hospitalFigures, hospitalFleet, printedHandshakeBytes } from '../../src/figures/hospital.ts';
import type { WireView } from '../engine/wire-view.ts';
import { Inputs, NumberField, TextField } from '../parts/fields.tsx';
import { figure } from '../parts/figures.ts';
import { toHex } from '../parts/hex-text.ts';
import { Card, DataTable, Notice, Page } from '../parts/pieces.tsx';
import { urlState } from '../shell/location.ts';
import { number, text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';

const schema = {
  path: textParameter('/ward-3/bed-12/heart-rate', 100),
  value: textParameter('72 bpm', 100),
  devices: number(1, 1_000_000, hospitalFleet.devices),
  period: number(1, 86_400, hospitalFleet.periodSeconds),
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
      <Card title={text.fleet} wide>
        <Inputs title={text.fleetInputs}>
          <NumberField
            label={text.devices}
            value={state.devices}
            range={schema.devices}
            onChange={(devices) => set({ devices })}
          />
          <NumberField
            label={text.period}
            unit="s"
            value={state.period}
            range={schema.period}
            onChange={(period) => set({ period })}
          />
        </Inputs>
        <Fleet devices={state.devices} periodSeconds={state.period} />
      </Card>
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

/** The same choice for a whole ward: what each day costs, and what stays readable. */
function Fleet(fleet: { readonly devices: number; readonly periodSeconds: number }) {
  const perDay = 86_400 / fleet.periodSeconds;
  return (
    <>
      <p>
        {text.fleetMessages(
          figure(perDay, 1),
          figure(fleet.devices * perDay, 0),
          figure(fleet.devices / fleet.periodSeconds, 2),
        )}
      </p>
      <DataTable
        caption={text.fleet}
        head={text.fleetHead}
        rows={hospitalFigures(fleet).map((one) => [
          text.options[one.option],
          `${one.protectionBytes} B`,
          `${figure(one.bytesPerDeviceAndDay, 0)} B`,
          `${figure(one.bytesPerDay / 1e6, 2)} MB`,
          one.handshakeBytes === 0 ? text.noHandshake : `${figure(one.handshakeBytes)} B`,
          one.handshakeBytes === 0
            ? text.noHandshake
            : text.handshakes(figure(one.handshakeBytesAtOnce), figure(one.handshakeBytesPerMessage, 3)),
          `${figure(one.millijoulesPerDay)} mJ`,
          text.reads[one.reads.value ? 'all' : one.reads.path ? 'path' : 'nothing'],
        ])}
      />
      <Notice kind="info">
        {text.printedFleet(
          printedHandshakeBytes,
          figure(fleet.devices * printedHandshakeBytes),
          figure(printedHandshakeBytes / perDay, 3),
          figure((8 * perDay) / 1000, 0),
          figure((16 * perDay) / 1000, 0),
        )}
      </Notice>
    </>
  );
}
