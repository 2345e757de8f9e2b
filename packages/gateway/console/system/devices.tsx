/**
 * Devices: who may connect and with what, who is there; one device with its association, rules and credential; and the wizard that adds
 * one, with all that its firmware needs.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import type {
  ApiProblem,
  AssociationView,
  DeviceView,
  DeviceWithSecret,
  NewCredential,
  SecurityKind,
} from '../../src/console/api-types.ts';
import { ask } from '../gateway/api.ts';
import { mayAct } from '../gateway/link.ts';
import { useResource } from '../gateway/resource.ts';
import { NumberField, SelectField, TextField } from '../parts/fields.tsx';
import { figure, percent } from '../parts/figures.ts';
import { Card, Copyable, DataTable, Empty, Figures, Notice, Page } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { shown } from '../parts/shown.ts';
import { base, go, place, urlState } from '../shell/location.ts';
import { number, text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';
import { ago, until } from './durations.ts';
import { firmwareSnippets } from './firmware-snippets.ts';
import { QrCode } from './qr-code.tsx';

const text = words.devices;
const listSchema = { search: textParameter('', 200), after: textParameter('', 500) };

export default function Devices() {
  const rest = place.value.view.slice('devices/'.length);
  if (rest === '') return <DeviceList />;
  if (rest === 'new') return <AddDevice />;
  return <OneDevice id={idOf(rest)} />;
}

/** An address that somebody has broken names nothing, and is told so like one of no device. */
function idOf(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a device; `new` is the wizard, so a device of that name has its letters written otherwise. */
function addressOf(id: string): string {
  return `devices/${id === 'new' ? '%6eew' : encodeURIComponent(id)}`;
}

function DeviceList() {
  const [state, set] = urlState(listSchema);
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
                <a key="id" href={base + addressOf(device.id)}>
                  {shown(device.id)}
                </a>,
                <SecurityChip key="security" kind={device.security} />,
                device.association?.address ?? '–',
                connectionIdOf(device.association),
                device.association === null ? '–' : ago(device.association.ageSeconds),
                device.association?.epoch ?? '–',
                device.association?.roundTripMs == null
                  ? '–'
                  : `${figure(device.association.roundTripMs)} ms`,
                device.association?.lossRate == null ? '–' : percent(device.association.lossRate),
                <Presence key="presence" device={device} />,
              ])}
            />
            {value.next !== null && (
              <button type="button" onClick={() => set({ after: value.next ?? '' })}>
                {text.more}
              </button>
            )}
            {state.after !== '' && (
              <button type="button" onClick={() => set({ after: '' })}>
                {text.firstPage}
              </button>
            )}
          </>
        )
      )}
    </Page>
  );
}

function SecurityChip({ kind }: { readonly kind: SecurityKind }) {
  return <span class={`chip ${kind === 'none' ? 'bad' : 'good'}`}>{text.securities[kind]}</span>;
}

function Presence({
  device: { association, isSleeping, lastSeenAtMs, waitingCommands },
}: {
  readonly device: DeviceView;
}) {
  const waiting = waitingCommands > 0 ? ` ${text.waiting(waitingCommands)}` : '';
  if (isSleeping) return <span class="chip warning">{text.sleeping + waiting}</span>;
  if (association !== null) return <span class="chip good">{text.connected}</span>;
  return <>{lastSeenAtMs === null ? text.never : text.seen(new Date(lastSeenAtMs).toLocaleString())}</>;
}

function connectionIdOf(association: AssociationView | null): string {
  const id = association?.connectionId;
  return id == null ? '–' : text.connectionId(id.own, id.peer);
}

function OneDevice({ id }: { readonly id: string }) {
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
          <Card title={text.association}>
            {device.association === null ? (
              <p>
                <Presence device={device} />
              </p>
            ) : (
              <AssociationFigures association={device.association} />
            )}
          </Card>
          <Card title={text.rules}>
            <Rules device={device} onChange={reload} />
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
        ...optional(text.roundTrip, association.roundTripMs, (ms) => `${figure(ms)} ms`),
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
      {made.value !== undefined && <Made made={made.value} />}
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

type Kind = NewCredential['kind'] | 'psk-own';

function AddDevice() {
  const id = useSignal('');
  const kind = useSignal<Kind>('psk');
  const detail = useSignal('');
  const rules = useSignal('');
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const made = useSignal<DeviceWithSecret | undefined>(undefined);
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    const given = rules.value.split('\n').flatMap((line) => line.trim() || []);
    const outcome = await ask('POST /api/devices', {
      body: {
        id: id.value,
        credential: credentialOf(kind.value, detail.value.trim()),
        ...(given.length > 0 && { rules: given }),
      },
    });
    if (outcome.isOk) {
      made.value = outcome.value;
      problem.value = undefined;
    } else problem.value = outcome.problem;
  };
  return (
    <Page title={text.addTitle} lead={<a href={`${base}devices`}>{text.back}</a>}>
      {made.value === undefined ? (
        <form class="card" onSubmit={add}>
          <TextField
            label={text.id}
            value={id.value}
            hint={text.idHint}
            onChange={(value) => {
              id.value = value;
            }}
          />
          <SelectField<Kind>
            label={text.kind}
            value={kind.value}
            options={(['psk', 'psk-own', 'oscore', 'rpk', 'x509'] as const).map(
              (one) => [one, text.kinds[one]] as const,
            )}
            onChange={(value) => {
              kind.value = value;
            }}
          />
          {kind.value !== 'psk' && kind.value !== 'oscore' && (
            <TextField
              label={text.details[kind.value]}
              lines={kind.value === 'psk-own' ? 1 : 6}
              value={detail.value}
              onChange={(value) => {
                detail.value = value;
              }}
            />
          )}
          <TextField
            label={text.rules}
            lines={3}
            value={rules.value}
            hint={text.rulesHint}
            onChange={(value) => {
              rules.value = value;
            }}
          />
          <button type="submit" class="primary" disabled={id.value === ''}>
            {text.addNow}
          </button>
          <Problem of={problem.value} />
        </form>
      ) : (
        <Card title={made.value.device.id} wide>
          <Notice kind="good" live>
            {text.addedNow(made.value.device.id)}
          </Notice>
          <Made made={made.value} />
          <a href={base + addressOf(made.value.device.id)}>{text.toDevice}</a>
        </Card>
      )}
    </Page>
  );
}

function credentialOf(kind: Kind, detail: string): NewCredential {
  switch (kind) {
    case 'psk-own':
      return { kind: 'psk', keyHex: detail.replaceAll(/[\s:]/g, '') };
    case 'rpk':
      return detail.startsWith('-----') ? { kind, publicKeyPem: detail } : { kind, fingerprint: detail };
    case 'x509':
      return { kind, certificatePem: detail };
    case 'psk':
      return { kind };
    case 'oscore':
      return { kind };
  }
}

/** What is shown this once. */
function Made({ made: { secret, snippets, device } }: { readonly made: DeviceWithSecret }) {
  if (secret === null) {
    const { missing, commands } = snippets;
    return (
      <>
        <Notice kind="info">{commands.length === 0 ? text.ownCredential : text.ownFiles(device.id)}</Notice>
        {missing !== null && <Notice kind="warning">{shown(missing)}</Notice>}
        {commands.map(({ tool, command }) => (
          <Copyable key={tool} label={text.commandOf(tool)} text={command} />
        ))}
      </>
    );
  }
  const label =
    secret.kind === 'psk'
      ? JSON.stringify({ uri: snippets.gatewayUri, identity: secret.identity, key: secret.keyHex })
      : JSON.stringify({
          ...{ uri: snippets.gatewayUri, secret: secret.masterSecretHex, salt: secret.masterSaltHex },
          ...{ sender: secret.senderIdHex, recipient: secret.recipientIdHex },
        });
  return (
    <>
      <Notice kind="warning">{text.once}</Notice>
      <QrCode text={label} label={text.qr(device.id)} />
      {secret.kind === 'psk' && <Copyable label={text.key} text={secret.keyHex} />}
      {snippets.commands.map(({ tool, command }) => (
        <Copyable key={tool} label={text.commandOf(tool)} text={command} />
      ))}
      {firmwareSnippets(secret, snippets).map(({ title, text: snippet }) => (
        <Copyable key={title} label={title} text={snippet} />
      ))}
    </>
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
  return `${new Date(atMs).toLocaleString()} (${until(atMs - Date.now())})`;
}
