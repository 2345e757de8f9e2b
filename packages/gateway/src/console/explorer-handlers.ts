/**
 * The explorer's routes: one request, an observation as a stream, discovery, a ping. Each request is in the audit log with its URI and the
 * user's name; payloads and keys are not.
 */
import type { WallClock } from '../server/wall-clock.ts';
import type { DeviceTable } from '../store/device-table.ts';
import type { ExplorerEvents, ExplorerRequest, ExplorerResult, ExplorerTarget } from './api-types.ts';
import type { Asked, Handlers } from './console-api.ts';
import type { ConsoleAudit } from './console-audit.ts';
import { linkView } from './directory-views.ts';
import type { EventSource, EventStreams } from './event-stream.ts';
import {
  type ExplorerPlan,
  explorerClient,
  explorerOptions,
  explorerPlan,
  explorerResponse,
  methodOfRequest,
  peerProblem,
} from './explorer.ts';
import { requestCommands } from './explorer-commands.ts';
import { ExchangeLadder } from './explorer-exchange.ts';
import { mostPayloadBytes } from './request-schemas.ts';
import type { UserPlaces } from './user-places.ts';

/** What they work with. */
export interface ExplorerParts {
  readonly devices: Pick<DeviceTable, 'find' | 'search'>;
  readonly places: UserPlaces;
  readonly audit: ConsoleAudit;
  readonly streams: EventStreams;
  readonly clock: WallClock;
}

const mostCredentials = 1000;
const now = (): number => performance.now();

/** The handlers. */
export function explorerHandlers(
  parts: ExplorerParts,
): Pick<
  Handlers,
  | 'GET /api/explorer/credentials'
  | 'POST /api/explorer/request'
  | 'POST /api/explorer/observe'
  | 'POST /api/explorer/discover'
  | 'POST /api/explorer/ping'
> {
  const { devices, audit, places } = parts;
  const begin = (
    { body, user }: Asked<ExplorerTarget>,
    what: string,
  ): { plan: ExplorerPlan; end: () => void } => {
    const plan = explorerPlan(body, user, devices);
    const end = places.take(user);
    const as = body.credential?.kind === 'device' ? { as: body.credential.id } : {};
    audit.used('request-sent', user.name, { request: what, uri: plan.uri.text, ...as });
    return { plan, end };
  };
  return {
    'GET /api/explorer/credentials': ({ user }) => ({
      credentials:
        user.role === 'admin'
          ? devices
              .search('', '', mostCredentials)
              .devices.filter(({ device }) => device.credential.kind === 'psk')
              .map(({ device: { id } }) => ({ id, kind: 'psk' as const }))
          : [],
    }),
    'POST /api/explorer/request': async (asked) => {
      const { plan, end } = begin(asked, asked.body.method);
      try {
        return await requested(asked.body, plan, asked.context.req.raw.signal);
      } finally {
        end();
      }
    },
    'POST /api/explorer/observe': (asked) => {
      const { body, context, session } = asked;
      const { plan, end } = begin(asked, 'observe');
      try {
        const options = explorerOptions(body, plan.timeoutMs);
        return parts.streams.answer(
          context,
          session,
          () => new Observed(body, plan, options, parts.clock, end),
        );
      } catch (error) {
        end();
        throw error;
      }
    },
    'POST /api/explorer/discover': async (asked) => {
      const { plan, end } = begin(asked, 'discover');
      const ladder = new ExchangeLadder(now);
      const client = explorerClient(plan, {}, ladder.trace);
      try {
        const links = await client.discover(plan.uri.text, {
          timeoutMs: plan.timeoutMs,
          signal: asked.context.req.raw.signal,
        });
        return { links: links.slice(0, 5000).map(linkView), problem: null, elapsedMs: ladder.elapsedMs };
      } catch (error) {
        return { links: [], problem: peerProblem(error), elapsedMs: ladder.elapsedMs };
      } finally {
        end();
        void client.close();
      }
    },
    'POST /api/explorer/ping': async (asked) => {
      const { plan, end } = begin(asked, 'ping');
      const ladder = new ExchangeLadder(now);
      const client = explorerClient(plan, {}, ladder.trace);
      try {
        const { roundTripMs } = await client.ping(plan.uri.text, {
          timeoutMs: plan.timeoutMs,
          signal: asked.context.req.raw.signal,
        });
        return { roundTripMs, problem: null, ladder: ladder.steps };
      } catch (error) {
        return { roundTripMs: null, problem: peerProblem(error), ladder: ladder.steps };
      } finally {
        end();
        void client.close();
      }
    },
  };
}

async function requested(
  body: ExplorerRequest,
  plan: ExplorerPlan,
  signal: AbortSignal,
): Promise<ExplorerResult> {
  const options = explorerOptions(body, plan.timeoutMs);
  const ladder = new ExchangeLadder(now);
  const client = explorerClient(plan, body, ladder.trace);
  const whole = AbortSignal.any([signal, AbortSignal.timeout(plan.timeoutMs + 1000)]);
  let outcome: Pick<ExplorerResult, 'response' | 'problem'>;
  try {
    const streamed = await client.stream(methodOfRequest(body), plan.uri.text, { ...options, signal: whole });
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of streamed.body) {
      chunks.push(chunk);
      length += chunk.length;
      // One byte more than is shown says that it is cut.
      if (length > mostPayloadBytes) break;
    }
    outcome = { response: explorerResponse(streamed, Buffer.concat(chunks)), problem: null };
  } catch (error) {
    outcome = { response: null, problem: peerProblem(error) };
  } finally {
    void client.close();
  }
  return {
    ...outcome,
    elapsedMs: ladder.elapsedMs,
    ladder: ladder.steps,
    isLadderCut: ladder.isCut,
    commands: requestCommands(body, options.options ?? [], false),
  };
}

/** An observation as events: the first response with its ladder, then the newest state each time the reader has taken the one before. */
class Observed implements EventSource<keyof ExplorerEvents> {
  isOver = false;
  problem: ExplorerEvents['end'] = null;
  onChange: () => void = () => {};
  #first: ExplorerResult | undefined;
  #newest: ExplorerEvents['notification'] | undefined;
  #skipped = 0;
  readonly #abort = new AbortController();
  readonly #release: () => void;

  constructor(
    body: ExplorerRequest,
    plan: ExplorerPlan,
    options: ReturnType<typeof explorerOptions>,
    clock: WallClock,
    release: () => void,
  ) {
    this.#release = release;
    void this.#run(body, plan, options, clock);
  }

  take(): { readonly event: 'response' | 'notification'; readonly data: unknown } | undefined {
    if (this.#first !== undefined) {
      const data = this.#first;
      this.#first = undefined;
      return { event: 'response', data };
    }
    if (this.#newest === undefined) return undefined;
    const data = { ...this.#newest, skipped: this.#skipped };
    this.#newest = undefined;
    this.#skipped = 0;
    return { event: 'notification', data };
  }

  close(): void {
    this.#abort.abort();
    this.#release();
  }

  async #run(
    body: ExplorerRequest,
    plan: ExplorerPlan,
    options: ReturnType<typeof explorerOptions>,
    clock: WallClock,
  ): Promise<void> {
    const ladder = new ExchangeLadder(now);
    const client = explorerClient(plan, body, ladder.trace);
    const result = (outcome: Pick<ExplorerResult, 'response' | 'problem'>): ExplorerResult => ({
      ...outcome,
      elapsedMs: ladder.elapsedMs,
      ladder: [...ladder.steps],
      isLadderCut: ladder.isCut,
      commands: requestCommands(body, options.options ?? [], true),
    });
    let hasBegun = false;
    try {
      const { signal } = this.#abort;
      const method = body.method === 'FETCH' ? ('FETCH' as const) : ('GET' as const);
      const observation = client.observe(plan.uri.text, { ...options, method, signal });
      for await (const response of observation) {
        const view = explorerResponse(response, response.payload);
        if (!hasBegun) {
          hasBegun = true;
          this.#first = result({ response: view, problem: null });
        } else {
          if (this.#newest !== undefined) this.#skipped++;
          this.#newest = { atMs: clock(), sequence: response.observe ?? null, response: view, skipped: 0 };
        }
        this.onChange();
      }
    } catch (error) {
      const problem = peerProblem(error);
      if (hasBegun) this.problem = problem;
      else this.#first = result({ response: null, problem });
    } finally {
      this.isOver = true;
      this.onChange();
      void client.close();
    }
  }
}
