/**
 * The explorer: asks any CoAP server, and shows all of question and answer: code, options, payload, every datagram and what its bytes
 * mean; discovery, observation, ping; and the same as commands.
 *
 * The key of a credential that is typed in is in no address and in no history.
 *
 * @module
 */

import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type {
  ApiProblem,
  DiscoverResult,
  ExplorerRequest,
  ExplorerResult,
  PingResult,
} from '../../src/console/api-types.ts';
import { ask, type Outcome } from '../gateway/api.ts';
import { useResource } from '../gateway/resource.ts';
import { askEvents } from '../gateway/streams.ts';
import { Inputs, NumberField, SelectField, TextField } from '../parts/fields.tsx';
import { figure } from '../parts/figures.ts';
import { toHex } from '../parts/hex-text.ts';
import { Card, Empty, Notice, Page } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { urlState } from '../shell/location.ts';
import { words } from '../wording.ts';
import { CollectionRunner } from './collection-runner.tsx';
import { CredentialFields, credentialOf, newTypedCredential } from './explorer-credential.tsx';
import { remember, remembered } from './explorer-history.ts';
import { formatOfNotation, payloadNotations } from './explorer-input.ts';
import { explorerSchema, requestOf } from './explorer-request.ts';
import { type Notification, Notifications, ResultShown } from './explorer-result.tsx';
import { ConditionFields, MessageFields } from './explorer-settings.tsx';
import { LinkTree } from './link-tree.tsx';

const text = words.explorer;

/** Notifications that are kept. */
const mostNotifications = 500;

export default function Explorer() {
  const [state, set] = urlState(explorerSchema);
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
  /** Asks, and keeps what came where it is shown. */
  const asked = async <T,>(
    kept: Signal<T | undefined>,
    work: (signal: AbortSignal) => Promise<Outcome<T>>,
  ): Promise<void> => {
    begin();
    isBusy.value = true;
    const { signal } = gone.current;
    try {
      const outcome = await work(signal);
      if (outcome.isOk) kept.value = outcome.value;
      else problem.value = outcome.problem;
    } catch (error) {
      if (!signal.aborted) throw error;
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
    await asked(result, (signal) => ask('POST /api/explorer/request', { body, signal }));
  };
  const discover = (): Promise<void> =>
    asked(links, (signal) => ask('POST /api/explorer/discover', { body: target(), signal }));
  const ping = (): Promise<void> =>
    asked(pong, (signal) => ask('POST /api/explorer/ping', { body: target(), signal }));
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
    const why = await askEvents(
      'POST /api/explorer/observe',
      { body: { ...body, method: body.method === 'FETCH' ? 'FETCH' : 'GET' }, signal: stop.signal },
      {
        response: (value) => {
          result.value = value;
        },
        notification: ({ atMs, sequence, response }) => {
          const { payloadHex, contentFormatName: formatName } = response;
          notifications.value = [
            ...notifications.value.slice(-mostNotifications + 1),
            { atMs, sequence, payloadHex, formatName },
          ];
        },
      },
    );
    if (why !== undefined) problem.value = why;
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
          {explorerSchema.method.choices.map((method) => (
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
              options={explorerSchema.block.choices.map(
                (one) => [one, one === '' ? text.blockUsual : `${one} B`] as const,
              )}
              onChange={(block) => set({ block })}
            />
            <NumberField
              label={text.timeout}
              unit="s"
              value={state.timeout}
              range={explorerSchema.timeout}
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
