/**
 * Devices: who may connect and with what, and who is there. One device, and the wizard that adds one, have addresses below it.
 *
 * @module
 */

import type { SecurityKind } from '../../src/console/api-types.ts';
import { ask } from '../gateway/api.ts';
import { mayAct } from '../gateway/link.ts';
import { useResource } from '../gateway/resource.ts';
import { TextField } from '../parts/fields.tsx';
import { milliseconds, orDash, percent } from '../parts/figures.ts';
import { DataTable, Empty, Page, PageButtons } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { shown } from '../parts/shown.ts';
import { base, place, urlState } from '../shell/location.ts';
import { text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';
import { AddDevice } from './add-device.tsx';
import { deviceAddress, deviceIdOf } from './device-address.ts';
import { connectionIdOf, Presence } from './device-presence.tsx';
import { ago } from './durations.ts';
import { OneDevice } from './one-device.tsx';

const text = words.devices;
const schema = { search: textParameter('', 200), after: textParameter('', 500) };

export default function Devices() {
  const rest = place.value.view.slice('devices/'.length);
  if (rest === '') return <DeviceList />;
  if (rest === 'new') return <AddDevice />;
  return <OneDevice id={deviceIdOf(rest)} />;
}

function DeviceList() {
  const [state, set] = urlState(schema);
  const { state: found } = useResource(
    (signal) =>
      ask('GET /api/devices', { signal, query: { search: state.search, after: state.after, limit: 100 } }),
    `${state.search}\n${state.after}`,
    5000,
  );
  const { value, problem } = found.value;
  return (
    <Page title={words.views.devices.title} lead={text.lead}>
      <div class="button-row">
        {mayAct('admin') && (
          <a class="button primary" href={`${base}devices/new`}>
            {text.add}
          </a>
        )}
      </div>
      <TextField
        label={text.search}
        type="search"
        value={state.search}
        onChange={(search) => set({ search, after: '' })}
      />
      <Problem of={problem} />
      {value !== undefined && value.devices.length === 0 ? (
        <Empty>
          <p>{state.search === '' ? text.empty : text.nothing(state.search)}</p>
          {state.search === '' && <pre>{text.emptyCommand}</pre>}
        </Empty>
      ) : (
        value !== undefined && (
          <>
            <p role="status">{text.shown(value.devices.length, value.total)}</p>
            <DataTable
              caption={words.views.devices.title}
              head={text.head}
              rows={value.devices.map((device) => [
                <a key="id" href={base + deviceAddress(device.id)}>
                  {shown(device.id)}
                </a>,
                <SecurityChip key="security" kind={device.security} />,
                orDash(device.association?.address),
                connectionIdOf(device.association),
                orDash(device.association?.ageSeconds, ago),
                orDash(device.association?.epoch),
                orDash(device.association?.roundTripMs, milliseconds),
                orDash(device.association?.lossRate, percent),
                <Presence key="presence" device={device} />,
              ])}
            />
            <PageButtons after={state.after} next={value.next} onGo={(after) => set({ after })} />
          </>
        )
      )}
    </Page>
  );
}

function SecurityChip({ kind }: { readonly kind: SecurityKind }) {
  return <span class={`chip ${kind === 'none' ? 'bad' : 'good'}`}>{text.securities[kind]}</span>;
}
