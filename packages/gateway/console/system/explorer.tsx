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
import { Card, Empty, Notice, Page } from '../parts/pieces.tsx';
import { Problem } from '../parts/problem.tsx';
import { go, urlState } from '../shell/location.ts';
import { words } from '../wording.ts';
import { CollectionRunner } from './collection-runner.tsx';
import { ExchangeLog, type LoggedExchange, withExchange } from './exchange-log.tsx';
import { CredentialFields, credentialOf, newTypedFields } from './explorer-credential.tsx';
import { forgetAddresses, remember, remembered } from './explorer-history.ts';
import { Notifications } from './explorer-notifications.tsx';
import { OptionsEditor } from './explorer-options.tsx';
import { FormatField, PayloadFields, type PayloadFile } from './explorer-payload.tsx';
import { explorerSchema, requestOf } from './explorer-request.ts';
import { Ladder, ResultShown } from './explorer-result.tsx';
import { ConditionFields, Folded, MessageFields } from './explorer-settings.tsx';
import { knownLinks, noteAsked, noteListed, pathOf, serverOf } from './known-links.ts';
import { LinkTree, resolvedTarget } from './link-tree.tsx';
import type { Notification } from './notification-values.ts';
import { SavedRequests } from './saved-requests-list.tsx';

const text = words.explorer;

/** Notifications that are kept. */
const mostNotifications = 500;

/** Methods that usually have no payload. */
const withoutPayload: ReadonlySet<string> = new Set(['GET', 'DELETE']);

export default function Explorer() {
  const [state, set] = urlState(explorerSchema);
  const typed = useSignal(newTypedFields);
  const file = useSignal<PayloadFile | undefined>(undefined);
  const result = useSignal<ExplorerResult | undefined>(undefined);
  const log = useSignal<readonly LoggedExchange[]>([]);
  const discovered = useSignal<DiscoverResult | undefined>(undefined);
  const pong = useSignal<PingResult | undefined>(undefined);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const isBusy = useSignal(false);
  const notifications = useSignal<readonly Notification[]>([]);
  const observing = useSignal<AbortController | undefined>(undefined);
  const history = useSignal(remembered());
  const server = serverOf(state.uri);
  const known = useSignal({ server, links: knownLinks(server) });
  const names = useResource((signal) => ask('GET /api/explorer/credentials', { signal }), 'credentials');
  const gone = useRef<AbortController>(new AbortController());
  const results = useRef<HTMLDivElement>(null);
  useEffect(() => {
    gone.current = new AbortController();
    return () => {
      gone.current.abort();
      observing.peek()?.abort();
    };
  }, [observing]);
  // Of another server other resources are known.
  const links = known.value.server === server ? known.value.links : knownLinks(server);

  /** Whom it goes to and as whom, or undefined where that is said as a problem. */
  const target = ():
    | Pick<ExplorerRequest, 'uri' | 'timeoutSeconds' | 'credential' | 'oscore'>
    | undefined => {
    const credential = credentialOf(state.as, state.oscore, typed.value);
    if ('fault' in credential) {
      problem.value = { code: 'invalid', message: credential.fault };
      return undefined;
    }
    return { uri: state.uri, timeoutSeconds: state.timeout, ...credential.value };
  };
  const begin = (): void => {
    problem.value = undefined;
    history.value = remember(state.uri);
  };
  /** Asks, and keeps what came where it is shown. */
  const asked = async <T,>(
    kept: Signal<T | undefined>,
    work: (signal: AbortSignal) => Promise<Outcome<T>>,
  ): Promise<T | undefined> => {
    begin();
    isBusy.value = true;
    const { signal } = gone.current;
    try {
      const outcome = await work(signal);
      if (outcome.isOk) kept.value = outcome.value;
      else problem.value = outcome.problem;
      return outcome.isOk ? outcome.value : undefined;
    } catch (error) {
      if (!signal.aborted) throw error;
      return undefined;
    } finally {
      isBusy.value = false;
    }
  };
  const request = (): ExplorerRequest | undefined => {
    const whom = target();
    if (whom === undefined) return undefined;
    const written = requestOf(state, file.value?.hex);
    if ('fault' in written) {
      problem.value = { code: 'invalid', message: written.fault };
      return undefined;
    }
    return { ...whom, ...written.value };
  };
  /** Keeps what came in the log, and what it says of the resources of the server. */
  const note = (method: string, uri: string, came: ExplorerResult): void => {
    log.value = withExchange(log.value, { atMs: Date.now(), method, uri, result: came });
    const code = came.response?.code ?? '';
    const asked = serverOf(uri);
    if (asked === undefined || !/^2\.|^4\.04/.test(code)) return;
    const isThere = code.startsWith('2.') && method !== 'DELETE';
    known.value = { server: asked, links: noteAsked(asked, pathOf(uri), isThere) };
  };
  const submit = async (): Promise<void> => {
    if (isBusy.value) return;
    const body = request();
    if (body === undefined) return;
    const came = await asked(result, (signal) => ask('POST /api/explorer/request', { body, signal }));
    if (came === undefined) return;
    note(body.method, body.uri, came);
    // On a narrow screen the answer is below the inputs.
    const { top = 0 } = results.current?.getBoundingClientRect() ?? {};
    if (top > innerHeight) results.current?.scrollIntoView();
  };
  const discover = async (): Promise<void> => {
    const body = target();
    if (body === undefined) return;
    const found = await asked(discovered, (signal) => ask('POST /api/explorer/discover', { body, signal }));
    const at = serverOf(body.uri);
    if (found !== undefined && found.problem === null && at !== undefined)
      known.value = { server: at, links: noteListed(at, found.links) };
  };
  const ping = async (): Promise<void> => {
    const body = target();
    if (body !== undefined) await asked(pong, (signal) => ask('POST /api/explorer/ping', { body, signal }));
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
    const why = await askEvents(
      'POST /api/explorer/observe',
      { body: { ...body, method: body.method === 'FETCH' ? 'FETCH' : 'GET' }, signal: stop.signal },
      {
        response: (value) => {
          result.value = value;
          note(text.observe, body.uri, value);
        },
        notification: ({ atMs, sequence, response, skipped }) => {
          const { payloadHex, contentFormat, contentFormatName: formatName, code } = response;
          notifications.value = [
            ...notifications.value.slice(-mostNotifications + 1),
            { atMs, sequence, payloadHex, contentFormat, formatName, code, skipped },
          ];
        },
      },
    );
    if (why !== undefined) problem.value = why;
    if (observing.value === stop) observing.value = undefined;
  };
  const choose = (address: string): void => set({ uri: resolvedTarget(address, state.uri) });
  const reset = (): void => {
    observing.value?.abort();
    typed.value = newTypedFields;
    file.value = undefined;
    problem.value = undefined;
    go('explorer');
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
          <button type="button" onClick={reset}>
            {text.reset}
          </button>
          <span role="status">{isBusy.value ? text.waiting : ''}</span>
        </div>
        <SavedRequests
          onForgetAddresses={() => {
            history.value = forgetAddresses();
          }}
        />
      </form>
      <Problem of={problem.value} />
      {pong.value !== undefined && <Pong of={pong.value} />}
      <div class="tool">
        {/* Ctrl-Enter sends from wherever one types. */}
        {/* biome-ignore lint/a11y/noStaticElementInteractions: the fields inside are what is typed into; the button above does the same. */}
        <div
          class="requests"
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void submit();
          }}
        >
          {(links.length > 0 || discovered.value !== undefined) && (
            <Card title={text.resources}>
              <Problem of={discovered.value?.problem} />
              <LinkTree links={links} uri={state.uri} chosen={state.uri} onChoose={choose} />
            </Card>
          )}
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
            <FormatField label={text.accept} value={state.accept} onChange={(accept) => set({ accept })} />
            <Folded
              title={text.payloadTitle}
              isOpen={!withoutPayload.has(state.method) || state.payload !== '' || file.value !== undefined}
            >
              <PayloadFields
                state={state}
                set={set}
                file={file.value}
                onFile={(picked) => {
                  file.value = picked;
                }}
              />
            </Folded>
            <OptionsEditor value={state.options} onChange={(options) => set({ options })} />
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
            <ConditionFields state={state} set={set} />
            <MessageFields state={state} set={set} />
          </Inputs>
          <CredentialFields
            as={state.as}
            onChoose={(as) => set({ as })}
            oscore={state.oscore}
            onOscore={(oscore) => set({ oscore })}
            typed={typed}
            names={names.state.value.value ?? { named: [], credentials: [] }}
            onChange={names.reload}
          />
        </div>
        <div class="results" ref={results}>
          {notifications.value.length > 0 && (
            <Card title={text.notifications(notifications.value.length)}>
              <Notifications of={notifications.value} />
            </Card>
          )}
          {result.value === undefined ? (
            <Empty>{text.empty}</Empty>
          ) : (
            <ResultShown
              result={result.value}
              uses={{
                onEtag: (etag) => set({ etag }),
                onIfMatch: (ifMatch) => set({ ifMatch, method: 'PUT' }),
                onGo: choose,
              }}
            />
          )}
          {log.value.length > 0 && (
            <Card title={text.log(log.value.length)}>
              <ExchangeLog
                exchanges={log.value}
                onChoose={(exchange) => {
                  result.value = exchange.result;
                }}
              />
            </Card>
          )}
          <section class="card">
            <details>
              <summary>{text.collections}</summary>
              <CollectionRunner state={state} code={result.value?.response?.code} />
            </details>
          </section>
        </div>
      </div>
    </Page>
  );
}

function Pong({ of: { roundTripMs, problem, ladder } }: { readonly of: PingResult }) {
  return (
    <>
      <Notice kind={problem === null ? 'good' : 'bad'} live>
        {roundTripMs === null
          ? `${problem?.message ?? text.noPong} ${problem?.nextStep ?? ''}`
          : text.pong(figure(roundTripMs))}
      </Notice>
      {ladder.length > 0 && (
        <details>
          <summary>{text.ladder}</summary>
          <Ladder steps={ladder} />
        </details>
      )}
    </>
  );
}
