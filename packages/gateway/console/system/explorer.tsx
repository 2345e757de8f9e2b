/**
 * The explorer: asks any CoAP server, and shows all of question and answer: code, options, payload, every datagram and what its bytes
 * mean; discovery, observation, ping; and the same as commands.
 *
 * The key of a credential that is typed in is in no address and in no history.
 *
 * @module
 */

import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type {
  ApiProblem,
  DiscoverResult,
  ExplorerEvents,
  ExplorerRequest,
  ExplorerResult,
  LadderStep,
  PingResult,
} from '../../src/console/api-types.ts';
import { ask, send } from '../gateway/api.ts';
import { useResource } from '../gateway/resource.ts';
import { readEvents } from '../gateway/streams.ts';
import { Inputs, NumberField, SelectField, TextField } from '../parts/fields.tsx';
import { FieldsAndBytes } from '../parts/fields-and-bytes.tsx';
import { figure } from '../parts/figures.ts';
import { toHex } from '../parts/hex-text.ts';
import { PayloadView } from '../parts/payload-view.tsx';
import { Card, Copyable, DataTable, Empty, Notice, Page } from '../parts/pieces.tsx';
import { Plot } from '../parts/plot.tsx';
import { Problem } from '../parts/problem.tsx';
import { shown } from '../parts/shown.ts';
import { urlState } from '../shell/location.ts';
import { choice, flag, number, type StateOf, text as textParameter } from '../shell/url-state.ts';
import { words } from '../wording.ts';
import { CollectionRunner } from './collection-runner.tsx';
import { CredentialFields, credentialOf, newTypedCredential } from './explorer-credential.tsx';
import { remember, remembered } from './explorer-history.ts';
import {
  formatOfNotation,
  namedOptions,
  optionsOf,
  payloadHex,
  payloadNotations,
  tokenOf,
} from './explorer-input.ts';
import { ConditionFields, MessageFields } from './explorer-settings.tsx';
import { LinkTree } from './link-tree.tsx';

const schema = {
  uri: textParameter('coap://127.0.0.1/.well-known/core', 500),
  method: choice(['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH'], 'GET'),
  type: choice(['CON', 'NON'], 'CON'),
  payload: textParameter('', 4000),
  notation: choice(payloadNotations, 'text'),
  format: textParameter('', 60),
  accept: textParameter('', 60),
  block: choice(['', '16', '32', '64', '128', '256', '512', '1024'], ''),
  options: textParameter('', 2000),
  loss: number(0, 90, 0),
  timeout: number(1, 120, 30),
  as: textParameter('', 200),
  ifMatch: textParameter('', 300),
  etag: textParameter('', 300),
  ifNoneMatch: flag(false),
  uriHost: textParameter('', 255),
  size1: textParameter('', 10),
  proxy: textParameter('', 500),
  proxyForm: choice(['Proxy-Uri', 'Proxy-Scheme'], 'Proxy-Uri'),
  retransmits: flag(true),
  duplicates: flag(false),
  token: textParameter('', 24),
  hasToken: flag(false),
  listen: number(0, 10, 0),
  cancelBy: choice(['GET', 'RST'], 'GET'),
};

/** All that is typed in but the credential. */
export type ExplorerState = StateOf<typeof schema>;

interface Notification {
  readonly atMs: number;
  readonly payloadHex: string;
  readonly formatName: string | null;
  readonly sequence: number | null;
}

const text = words.explorer;

/** Notifications that are kept. */
const mostNotifications = 500;

export default function Explorer() {
  const [state, set] = urlState(schema);
  const typed = useSignal(newTypedCredential);
  const file = useSignal<{ readonly name: string; readonly hex: string } | undefined>(undefined);
  const result = useSignal<ExplorerResult | undefined>(undefined);
  const links = useSignal<DiscoverResult | undefined>(undefined);
  const pong = useSignal<PingResult | undefined>(undefined);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const isBusy = useSignal(false);
  const notifications = useSignal<readonly Notification[]>([]);
  const observing = useSignal<AbortController | undefined>(undefined);
  const history = useSignal(remembered());
  const names = useResource((signal) => ask('GET /api/explorer/credentials', { signal }), 'credentials');
  const gone = useRef<AbortController>(new AbortController());
  useEffect(() => {
    gone.current = new AbortController();
    return () => {
      gone.current.abort();
      observing.peek()?.abort();
    };
  }, [observing]);

  const target = () => ({
    uri: state.uri,
    timeoutSeconds: state.timeout,
    ...credentialOf(state.as, typed.value),
  });
  const begin = (): void => {
    problem.value = undefined;
    history.value = remember(state.uri);
  };
  const working = async <T,>(work: () => Promise<T>): Promise<T | undefined> => {
    begin();
    isBusy.value = true;
    try {
      return await work();
    } catch (error) {
      if (!gone.current.signal.aborted) throw error;
      return undefined;
    } finally {
      isBusy.value = false;
    }
  };
  const request = (): ExplorerRequest | undefined => {
    const written = requestOf(state, file.value?.hex);
    if ('fault' in written) {
      problem.value = { code: 'invalid', message: written.fault };
      return undefined;
    }
    return { ...target(), ...written.value };
  };
  const submit = async (): Promise<void> => {
    const body = request();
    if (body === undefined) return;
    const outcome = await working(() =>
      ask('POST /api/explorer/request', { body, signal: gone.current.signal }),
    );
    if (outcome === undefined) return;
    if (outcome.isOk) result.value = outcome.value;
    else problem.value = outcome.problem;
  };
  const discover = async (): Promise<void> => {
    const outcome = await working(() =>
      ask('POST /api/explorer/discover', { body: target(), signal: gone.current.signal }),
    );
    if (outcome === undefined) return;
    if (outcome.isOk) links.value = outcome.value;
    else problem.value = outcome.problem;
  };
  const ping = async (): Promise<void> => {
    const outcome = await working(() =>
      ask('POST /api/explorer/ping', { body: target(), signal: gone.current.signal }),
    );
    if (outcome === undefined) return;
    if (outcome.isOk) pong.value = outcome.value;
    else problem.value = outcome.problem;
  };
  const observe = async (): Promise<void> => {
    if (observing.value !== undefined) {
      observing.value.abort();
      observing.value = undefined;
      return;
    }
    const body = request();
    if (body === undefined) return;
    begin();
    const stop = new AbortController();
    observing.value = stop;
    notifications.value = [];
    try {
      const outcome = await send('POST /api/explorer/observe', {
        body: { ...body, method: body.method === 'FETCH' ? 'FETCH' : 'GET' },
        signal: stop.signal,
      });
      if (!outcome.isOk) problem.value = outcome.problem;
      else {
        await readEvents<ExplorerEvents>(outcome.value, {
          response: (value) => {
            result.value = value;
          },
          notification: ({ atMs, sequence, response }) => {
            const { payloadHex: hex, contentFormatName: formatName } = response;
            notifications.value = [
              ...notifications.value.slice(-mostNotifications + 1),
              { atMs, sequence, payloadHex: hex, formatName },
            ];
          },
          end: (why) => {
            if (why !== null) problem.value = why;
          },
        });
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
    if (observing.value === stop) observing.value = undefined;
  };

  return (
    <Page title={words.views.explorer.title} lead={text.lead}>
      <form
        class="card address"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <TextField
          label={text.uri}
          value={state.uri}
          list={history.value}
          hint={text.uriHint}
          onChange={(uri) => set({ uri })}
        />
        <fieldset class="button-row plain">
          <legend class="visually-hidden">{text.method}</legend>
          {schema.method.choices.map((method) => (
            <button
              key={method}
              type="button"
              aria-pressed={state.method === method}
              onClick={() => set({ method })}
            >
              {method}
            </button>
          ))}
        </fieldset>
        <div class="button-row">
          <button type="submit" class="primary" disabled={isBusy.value}>
            {text.send(state.method)}
          </button>
          <button type="button" onClick={observe} aria-pressed={observing.value !== undefined}>
            {observing.value === undefined ? text.observe : text.observeEnd}
          </button>
          <button type="button" onClick={discover} disabled={isBusy.value}>
            {text.discover}
          </button>
          <button type="button" onClick={ping} disabled={isBusy.value}>
            {text.ping}
          </button>
          <span role="status">{isBusy.value ? text.waiting : ''}</span>
        </div>
      </form>
      <Problem of={problem.value} />
      {pong.value !== undefined && (
        <Notice kind={pong.value.problem === null ? 'good' : 'bad'} live>
          {pong.value.roundTripMs === null
            ? (pong.value.problem?.message ?? text.noPong)
            : text.pong(figure(pong.value.roundTripMs))}
        </Notice>
      )}
      <div class="tool">
        <div>
          <Inputs title={text.request}>
            <SelectField
              label={text.type}
              value={state.type}
              options={[
                ['CON', text.con],
                ['NON', text.non],
              ]}
              onChange={(type) => set({ type })}
            />
            <TextField
              label={text.payload}
              lines={4}
              value={state.payload}
              onChange={(payload) => set({ payload })}
            />
            <SelectField
              label={text.notation}
              value={state.notation}
              options={payloadNotations.map((one) => [one, text.notations[one]] as const)}
              onChange={(notation) => set({ notation, format: formatOfNotation[notation] ?? '' })}
            />
            <FilePicker
              name={file.value?.name}
              onFile={(picked) => {
                file.value = picked;
              }}
            />
            <TextField
              label={text.contentFormat}
              value={state.format}
              list={formats}
              onChange={(format) => set({ format })}
            />
            <TextField
              label={text.accept}
              value={state.accept}
              list={formats}
              onChange={(accept) => set({ accept })}
            />
            <TextField
              label={text.options}
              lines={3}
              value={state.options}
              hint={text.optionsHint}
              onChange={(options) => set({ options })}
            />
            <SelectField
              label={text.block}
              value={state.block}
              options={schema.block.choices.map(
                (one) => [one, one === '' ? text.blockUsual : `${one} B`] as const,
              )}
              onChange={(block) => set({ block })}
            />
            <NumberField
              label={text.timeout}
              unit="s"
              value={state.timeout}
              range={schema.timeout}
              onChange={(timeout) => set({ timeout })}
            />
          </Inputs>
          <ConditionFields state={state} set={set} />
          <MessageFields state={state} set={set} />
          <CredentialFields
            as={state.as}
            onChoose={(as) => set({ as })}
            typed={typed}
            names={names.state.value.value?.credentials ?? []}
          />
        </div>
        <div class="results">
          {links.value !== undefined && (
            <Card title={text.resources}>
              <Problem of={links.value.problem} />
              <LinkTree links={links.value.links} uri={state.uri} onChoose={(uri) => set({ uri })} />
            </Card>
          )}
          {notifications.value.length > 0 && (
            <Card title={text.notifications(notifications.value.length)}>
              <Notifications of={notifications.value} />
            </Card>
          )}
          {result.value === undefined ? <Empty>{text.empty}</Empty> : <ResultShown result={result.value} />}
          <Card title={text.collections}>
            <CollectionRunner />
          </Card>
        </div>
      </div>
    </Page>
  );
}

const formats = [
  ...[
    'text/plain',
    'application/json',
    'application/cbor',
    'application/senml+json',
    'application/senml+cbor',
  ],
  ...['application/link-format', 'application/octet-stream', 'application/xml'],
];

function requestOf(state: ExplorerState, fileHex: string | undefined) {
  const payload = fileHex === undefined ? payloadHex(state.payload, state.notation) : { value: fileHex };
  const named = namedOptions(state);
  const others = optionsOf(state.options);
  const token = tokenOf(state.token);
  const hasPayload = state.payload !== '' || fileHex !== undefined;
  if (hasPayload && 'fault' in payload) return payload;
  if ('fault' in named) return named;
  if ('fault' in others) return others;
  if (state.hasToken && 'fault' in token) return token;
  const options = [...named.value, ...others.value];
  const formatOf = (given: string): string | number => (/^\d+$/.test(given) ? Number(given) : given);
  return {
    value: {
      method: state.method,
      type: state.type,
      ...(hasPayload && 'value' in payload && { payloadHex: payload.value }),
      ...(state.format !== '' && hasPayload && { contentFormat: formatOf(state.format) }),
      ...(state.accept !== '' && { accept: formatOf(state.accept) }),
      ...(state.block !== '' && { blockSize: Number(state.block) }),
      ...(options.length > 0 && { options }),
      ...(state.loss > 0 && { lossRate: state.loss / 100 }),
      ...(!state.retransmits && { retransmits: false }),
      ...(state.duplicates && { duplicates: true }),
      ...(state.hasToken && 'value' in token && { tokenHex: token.value }),
      ...(state.listen > 0 && { listenSeconds: state.listen }),
      ...(state.cancelBy === 'RST' && { cancelBy: state.cancelBy }),
      ...(state.proxy !== '' && { proxy: { uri: state.proxy, form: state.proxyForm } }),
    },
  };
}

function FilePicker({
  name,
  onFile,
}: {
  readonly name: string | undefined;
  readonly onFile: (file: { readonly name: string; readonly hex: string } | undefined) => void;
}) {
  return (
    <div class="field">
      <label>
        {text.file}
        <input
          type="file"
          onChange={async (event) => {
            const [picked] = event.currentTarget.files ?? [];
            onFile(picked && { name: picked.name, hex: toHex(new Uint8Array(await picked.arrayBuffer())) });
          }}
        />
      </label>
      {name !== undefined && (
        <button type="button" onClick={() => onFile(undefined)}>
          {text.noFile(name)}
        </button>
      )}
    </div>
  );
}

function ResultShown({ result }: { readonly result: ExplorerResult }) {
  const { response, problem, elapsedMs, ladder, isLadderCut, commands } = result;
  return (
    <>
      <Card title={text.response}>
        <Problem of={problem} />
        {response !== null && (
          <>
            <p class="verdict" role="status">
              <span class={`chip ${response.code < '3' ? 'good' : response.code < '5' ? 'warning' : 'bad'}`}>
                {response.code}
              </span>{' '}
              {response.codeName}
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
            <span>{figure(atMs)} ms</span>
          </li>
        ))}
      </ol>
      {step !== undefined && step.bytesHex !== null && (
        <FieldsAndBytes bytesHex={step.bytesHex} fields={step.fields} />
      )}
    </>
  );
}

function Notifications({ of }: { readonly of: readonly Notification[] }) {
  const values = of.flatMap(({ atMs, payloadHex: hex }) => {
    const value = Number.parseFloat(new TextDecoder().decode(bytesOf(hex)));
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
            new TextDecoder().decode(bytesOf(hex)).slice(0, 200),
          ])}
      />
    </>
  );
}

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: hex.length / 2 }, (_, at) =>
    Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16),
  );
}
