/**
 * One device: its credential, association and rules, and what an admin changes of them.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import type {
  ApiProblem,
  AssociationView,
  DeviceView,
  DeviceWithSecret,
} from '../../src/console/api-types.ts';
import { ask } from '../gateway/api.ts';
import { mayAct } from '../gateway/link.ts';
import { useResource } from '../gateway/resource.ts';
import { NumberField, TextField } from '../parts/fields.tsx';
import { figure, milliseconds, percent } from '../parts/figures.ts';
import { Card, Figures, Notice, Page } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { shown } from '../parts/shown.ts';
import { dateAndTime } from '../parts/times.ts';
import { base, go } from '../shell/location.ts';
import { number } from '../shell/url-state.ts';
import { words } from '../wording.ts';
import { connectionIdOf, Presence } from './device-presence.tsx';
import { ago, until } from './durations.ts';
import { MadeCredential } from './made-credential.tsx';

const text = words.devices;

/** See the module comment. */
export function OneDevice({ id }: { readonly id: string }) {
  const { state, reload } = useResource(
    (signal) => ask('GET /api/devices/{id}', { signal, path: { id } }),
    id,
    3000,
  );
  const { value: device, problem } = state.value;
  return (
    <Page title={id} lead={<a href={`${base}devices`}>{text.back}</a>}>
      <Problem of={problem} />
      {device !== undefined && (
        <div class="cards">
          <div class="stack">
            <Card title={text.credential}>
              <Figures
                of={[
                  [text.security, text.securities[device.security]],
                  ...optional(text.fingerprint, device.fingerprint),
                  ...optional(text.expires, device.expiresAtMs, time),
                  ...optional(text.added, device.addedAtMs, time),
                  ...optional(text.rotated, device.rotatedAtMs, time),
                  ...optional(text.overlap, device.overlapUntilMs, time),
                  ...optional(text.home, device.home),
                ]}
              />
              {!device.isStored && <Notice kind="info">{text.notStored}</Notice>}
              {mayAct('admin') && device.isStored && <Changes device={device} onChange={reload} />}
            </Card>
            <Card title={text.rules}>
              <Rules device={device} onChange={reload} />
            </Card>
          </div>
          <Card title={text.association}>
            {device.association === null ? (
              <p>
                <Presence device={device} />
              </p>
            ) : (
              <AssociationFigures association={device.association} />
            )}
          </Card>
        </div>
      )}
    </Page>
  );
}

function AssociationFigures({ association }: { readonly association: AssociationView }) {
  return (
    <Figures
      of={[
        [text.address, association.address],
        [text.scheme, association.scheme],
        [text.suite, association.suite],
        [text.age, ago(association.ageSeconds)],
        ...optional(text.idle, association.idleSeconds, ago),
        ...optional(text.epoch, association.epoch, String),
        [text.cid, connectionIdOf(association)],
        ...optional(text.roundTrip, association.roundTripMs, milliseconds),
        ...optional(text.loss, association.lossRate, percent),
        ...optional(text.received, association.bytesReceived, (bytes) => `${figure(bytes)} B`),
        ...optional(text.sent, association.bytesSent, (bytes) => `${figure(bytes)} B`),
        [text.observations, String(association.observations)],
        [text.resumed, association.isResumed ? words.yes : words.no],
        [text.worker, String(association.worker)],
      ]}
    />
  );
}

function Rules({ device, onChange }: { readonly device: DeviceView; readonly onChange: () => void }) {
  const edited = useSignal<string | undefined>(undefined);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const save = async (): Promise<void> => {
    const rules = (edited.value ?? '').split('\n').flatMap((line) => line.trim() || []);
    const outcome = await ask('PUT /api/devices/{id}/rules', { path: { id: device.id }, body: { rules } });
    if (outcome.isOk) {
      edited.value = undefined;
      problem.value = undefined;
      onChange();
    } else problem.value = outcome.problem;
  };
  if (edited.value === undefined) {
    return (
      <>
        {device.rules.length === 0 ? (
          <p>{text.noRules}</p>
        ) : (
          <ul>
            {device.rules.map((rule) => (
              <li key={rule} class="mono">
                {shown(rule)}
              </li>
            ))}
          </ul>
        )}
        {mayAct('admin') && device.isStored && (
          <button
            type="button"
            onClick={() => {
              edited.value = device.rules.join('\n');
            }}
          >
            {text.editRules}
          </button>
        )}
      </>
    );
  }
  return (
    <>
      <TextField
        label={text.rules}
        lines={5}
        value={edited.value}
        hint={text.rulesHint}
        onChange={(value) => {
          edited.value = value;
        }}
      />
      <div class="button-row">
        <button type="button" class="primary" onClick={save}>
          {text.save}
        </button>
        <button
          type="button"
          onClick={() => {
            edited.value = undefined;
          }}
        >
          {text.cancel}
        </button>
      </div>
      <Problem of={problem.value} />
    </>
  );
}

const daysRange = number(0, 365, 1);

/** Rotate, retire, revoke: each asks once more. */
function Changes({ device, onChange }: { readonly device: DeviceView; readonly onChange: () => void }) {
  const asked = useSignal<'rotate' | 'revoke' | undefined>(undefined);
  const days = useSignal(1);
  const made = useSignal<DeviceWithSecret | undefined>(undefined);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const path = { id: device.id };
  const rotate = async (): Promise<void> => {
    const outcome = await ask('POST /api/devices/{id}/rotate', {
      path,
      body: {
        credential: device.security === 'oscore' ? { kind: 'oscore' } : { kind: 'psk' },
        overlapSeconds: Math.round(86_400 * days.value),
      },
    });
    asked.value = undefined;
    if (outcome.isOk) {
      made.value = outcome.value;
      onChange();
    } else problem.value = outcome.problem;
  };
  const revoke = async (): Promise<void> => {
    const outcome = await ask('DELETE /api/devices/{id}', { path });
    if (outcome.isOk) go('devices');
    else problem.value = outcome.problem;
  };
  const retire = async (): Promise<void> => {
    const outcome = await ask('POST /api/devices/{id}/retire', { path });
    if (outcome.isOk) onChange();
    else problem.value = outcome.problem;
  };
  return (
    <>
      <div class="button-row">
        {(device.security === 'psk' || device.security === 'oscore') && (
          <button
            type="button"
            onClick={() => {
              asked.value = 'rotate';
            }}
          >
            {text.rotate}
          </button>
        )}
        {device.overlapUntilMs !== null && (
          <button type="button" onClick={retire}>
            {text.retire}
          </button>
        )}
        <button
          type="button"
          class="danger"
          onClick={() => {
            asked.value = 'revoke';
          }}
        >
          {text.revoke}
        </button>
      </div>
      {asked.value === 'rotate' && (
        <Notice kind="warning">
          <p>{text.rotateWarning}</p>
          <NumberField
            label={text.overlapDays}
            step="any"
            value={days.value}
            range={daysRange}
            onChange={(value) => {
              days.value = value;
            }}
          />
          <Confirm asked={asked} label={text.rotateNow} onYes={rotate} />
        </Notice>
      )}
      {asked.value === 'revoke' && (
        <Notice kind="warning">
          <p>{text.revokeWarning(device.id)}</p>
          <Confirm asked={asked} label={text.revokeNow} onYes={revoke} />
        </Notice>
      )}
      <Problem of={problem.value} />
      {made.value !== undefined && <MadeCredential made={made.value} />}
    </>
  );
}

function Confirm({
  asked,
  label,
  onYes,
}: {
  readonly asked: { value: unknown };
  readonly label: string;
  readonly onYes: () => Promise<void>;
}) {
  return (
    <div class="button-row">
      <button type="button" class="danger" onClick={onYes}>
        {label}
      </button>
      <button
        type="button"
        onClick={() => {
          asked.value = undefined;
        }}
      >
        {text.cancel}
      </button>
    </div>
  );
}

function optional<T>(
  name: string,
  value: T | null,
  format: (value: T) => string = String,
): readonly (readonly [string, string])[] {
  return value === null ? [] : [[name, format(value)]];
}

function time(atMs: number): string {
  return `${dateAndTime(atMs)} (${until(atMs - Date.now())})`;
}
