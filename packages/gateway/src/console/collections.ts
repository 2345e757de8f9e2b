/**
 * Collections run from the console: the same files as `coapsule run` takes, but what they name of a machine (files, variables of the
 * environment) would be the gateway's, and is refused. So are regular expressions, which could keep the gateway busy for ever.
 */
import { Client, type ClientOptions } from 'coapsule';
import { keyBytes } from '../cli/option-values.ts';
import type { Collection, CollectionCredentials } from '../collection/collection.ts';
import type { ReceivedResponse } from '../collection/evaluate-response.ts';
import { parseCollection } from '../collection/parse-collection.ts';
import { type CollectionPlan, planCollection } from '../collection/plan-collection.ts';
import type { ResolvedRequest } from '../collection/resolved-request.ts';
import { type CollectionSender, type RequestResult, runCollection } from '../collection/run-collection.ts';
import type { DeviceTable } from '../store/device-table.ts';
import { ApiFailure } from './api-failure.ts';
import type { CollectionEvents, CollectionRun, ExplorerCredential } from './api-types.ts';
import type { Handlers } from './console-api.ts';
import type { ConsoleAudit } from './console-audit.ts';
import type { EventSource, EventStreams } from './event-stream.ts';
import { explorerPlan } from './explorer.ts';
import { bytesOf, hexOf } from './hex.ts';
import { peerProblem } from './peer-problem.ts';
import type { SessionUser } from './sessions.ts';
import type { UserPlaces } from './user-places.ts';

/** What it works with. */
export interface CollectionsParts {
  readonly devices: Pick<DeviceTable, 'find'>;
  readonly audit: ConsoleAudit;
  readonly streams: EventStreams;
  readonly places: UserPlaces;
}

/** Requests of a run, how long it and each of them may take, and their URIs in characters. */
const most = { requests: 500, runMs: 10 * 60_000, requestSeconds: 120, uri: 4096 } as const;

/** The handler. */
export function collectionHandlers({
  devices,
  audit,
  streams,
  places,
}: CollectionsParts): Pick<Handlers, 'POST /api/collections/run'> {
  return {
    'POST /api/collections/run': ({ body, user, context, session }) => {
      const plan = checkedPlan(body);
      const credential = credentialOf(plan.credentials);
      return streams.answer(context, session, () => {
        const release = places.take(user);
        const note = (request: string, uri: string): void =>
          audit.used('request-sent', user, { request, uri, collection: plan.name ?? null });
        return new CollectionSource(plan, new ConsoleSender(user, credential, devices, note), release);
      });
    },
  };
}

function checkedPlan({ text, environmentName, environment = {} }: CollectionRun): CollectionPlan {
  const read = parseCollection(text);
  if ('faults' in read) {
    const [fault] = read.faults;
    throw new ApiFailure('invalid', `line ${fault?.line}: ${fault?.key} ${fault?.problem}`);
  }
  expectNothingOfMachine(read.collection);
  const planned = planCollection(read.collection, {
    lineOf: read.lineOf,
    environment: environmentName,
    variables: new Map(Object.entries(environment)),
  });
  if ('faults' in planned) {
    const [fault] = planned.faults;
    throw new ApiFailure('invalid', `line ${fault?.line}: ${fault?.problem}`);
  }
  if (planned.plan.requests.length > most.requests)
    throw new ApiFailure(
      'invalid',
      `the collection has more than ${most.requests} requests`,
      'use coapsule run',
    );
  return planned.plan;
}

function expectNothingOfMachine({
  environments = {},
  setup = [],
  requests,
  teardown = [],
}: Collection): void {
  const refuse = (what: string): never => {
    throw new ApiFailure(
      'invalid',
      `the collection has ${what}, which is not for the console`,
      'use coapsule run',
    );
  };
  for (const { secrets = {}, credentials = {} } of Object.values(environments)) {
    if (Object.keys(secrets).length > 0) refuse('secrets of the environment or of files');
    const { identity: _identity, key: _key, ...files } = credentials;
    if (Object.values(files).some((one) => one !== undefined)) refuse('files with credentials');
  }
  for (const { payload, expect } of [...setup, ...requests, ...teardown]) {
    if (typeof payload === 'object' && payload.file !== undefined) refuse('a payload of a file');
    const body = expect?.body;
    if (typeof body === 'object' && body.matches !== undefined) refuse('a regular expression');
  }
}

function credentialOf({ identity, key }: CollectionCredentials): ExplorerCredential {
  const bytes = key === undefined ? undefined : keyBytes(key);
  if (identity === undefined || bytes === undefined) return { kind: 'none' };
  return { kind: 'psk', identity, keyHex: hexOf(bytes) };
}

function pskOf(credential: ExplorerCredential): ClientOptions {
  if (credential.kind !== 'psk') return {};
  return { psk: { identity: credential.identity, key: bytesOf(credential.keyHex) } };
}

/** Sends the requests of one run. */
class ConsoleSender implements CollectionSender {
  readonly #user: SessionUser;
  readonly #credential: ExplorerCredential;
  readonly #devices: Pick<DeviceTable, 'find'>;
  readonly #note: (request: string, uri: string) => void;
  readonly #abort = new AbortController();
  readonly #whole: AbortSignal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(most.runMs)]);
  #client: Client | undefined;

  /** @param note Is told of each request before it is sent. */
  constructor(
    user: SessionUser,
    credential: ExplorerCredential,
    devices: Pick<DeviceTable, 'find'>,
    note: (request: string, uri: string) => void,
  ) {
    this.#note = note;
    this.#user = user;
    this.#credential = credential;
    this.#devices = devices;
  }

  async request(request: ResolvedRequest): Promise<ReceivedResponse> {
    const { client, uri, options } = this.#prepared(request, request.method);
    return received(await client.request(request.method, uri, options));
  }

  async observe(
    request: ResolvedRequest,
    { notifications, within }: { readonly notifications: number; readonly within: number },
  ): Promise<readonly ReceivedResponse[]> {
    const { client, uri, options } = this.#prepared(request, 'observe');
    const over = AbortSignal.timeout(Math.min(within, most.requestSeconds) * 1000);
    const observation = client.observe(uri, { ...options, signal: AbortSignal.any([this.#whole, over]) });
    const came: ReceivedResponse[] = [];
    try {
      for await (const response of observation) {
        // The last is the one that is looked at: what the others brought is not kept.
        const before = came.at(-1);
        if (before !== undefined) came[came.length - 1] = { ...before, payload: new Uint8Array() };
        came.push(received(response));
        if (came.length >= notifications || response.observe === undefined || !response.ok) break;
      }
    } catch (error) {
      if (!over.aborted) throw error;
    }
    return came;
  }

  explain(error: unknown): string {
    return peerProblem(error).message;
  }

  isEnded(): boolean {
    return this.#whole.aborted;
  }

  close(): void {
    this.#abort.abort();
    void this.#client?.close();
  }

  #prepared(
    { uri: text, payload, contentFormat, accept, options, confirmable, timeout, blockSize }: ResolvedRequest,
    what: string,
  ) {
    if (text.length > most.uri) throw new ApiFailure('invalid', `the URI is longer than ${most.uri}`);
    if (payload !== undefined && !(payload instanceof Uint8Array))
      throw new ApiFailure('invalid', 'a payload of a file is not for the console');
    const timeoutSeconds = Math.min(timeout ?? 30, most.requestSeconds);
    const plan = explorerPlan({ uri: text, credential: this.#credential, timeoutSeconds }, this.#user, {
      ...{ devices: this.#devices, proxyTargets: [], named: { find: () => undefined } },
    });
    this.#note(what, plan.uri.text);
    // With one for all its requests there is one handshake.
    this.#client ??= new Client(pskOf(this.#credential));
    return {
      client: this.#client,
      uri: plan.uri.text,
      options: {
        ...{ timeoutMs: plan.timeoutMs, whenBusy: 'send' as const, signal: this.#whole },
        ...(payload !== undefined && { payload }),
        ...(contentFormat !== undefined && { contentFormat }),
        ...(accept !== undefined && { accept }),
        ...(options.length > 0 && { options }),
        ...(!confirmable && { confirmable }),
        ...(blockSize !== undefined && { blockSize }),
      },
    };
  }
}

function received({
  codeText,
  options,
  payload,
  roundTripMs,
}: Awaited<ReturnType<Client['request']>>): ReceivedResponse {
  return {
    code: codeText,
    options: Array.from(options.entries(), ({ number, value }) => ({ number, value })),
    payload,
    durationMs: roundTripMs,
  };
}

/** A run as events; it goes on for as long as somebody reads. */
class CollectionSource implements EventSource<keyof CollectionEvents> {
  isOver = false;
  problem: CollectionEvents['end'] = null;
  onChange: () => void = () => {};
  readonly #waiting: { readonly event: 'step' | 'summary'; readonly data: unknown }[] = [];
  readonly #sender: ConsoleSender;
  readonly #release: () => void;

  constructor(plan: CollectionPlan, sender: ConsoleSender, release: () => void) {
    this.#sender = sender;
    this.#release = release;
    void this.#run(plan);
  }

  take(): { readonly event: 'step' | 'summary'; readonly data: unknown } | undefined {
    return this.#waiting.shift();
  }

  close(): void {
    this.#sender.close();
    this.#release();
  }

  async #run(plan: CollectionPlan): Promise<void> {
    const began = performance.now();
    try {
      const { results } = await runCollection(plan, this.#sender, (result) => {
        this.#waiting.push({ event: 'step', data: stepOf(result) });
        this.onChange();
      });
      const passed = results.filter(({ outcome }) => outcome === 'passed').length;
      const summary: CollectionEvents['summary'] = {
        ...{ passed, failed: results.length - passed },
        elapsedMs: Math.round(performance.now() - began),
      };
      this.#waiting.push({ event: 'summary', data: summary });
    } catch (error) {
      this.problem = { code: 'failed', message: (error as Error).message };
    } finally {
      this.isOver = true;
      this.onChange();
    }
  }
}

function stepOf({ name, outcome, durationMs, checks, problem }: RequestResult): CollectionEvents['step'] {
  const failures = checks
    .filter(({ holds }) => !holds)
    .map(({ what, found }) => (found === undefined ? what : `${what}: found ${found}`));
  return {
    ...{ name, isOk: outcome === 'passed', elapsedMs: Math.round((durationMs ?? 0) * 10) / 10 },
    failures: problem === null ? failures : [problem, ...failures],
  };
}
