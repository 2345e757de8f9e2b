/**
 * The explorer's routes: one request, an observation as a stream, discovery, a ping. Each request is in the audit log with its URI and the
 * user's name; payloads and keys are not.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { WallClock } from '../server/wall-clock.ts';
import type { ExplorerRequest, ExplorerResult, ExplorerTarget } from './api-types.ts';
import type { Asked, Handlers } from './console-api.ts';
import type { ConsoleAudit } from './console-audit.ts';
import { linkView } from './directory-views.ts';
import type { EventStreams } from './event-stream.ts';
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
import { credentialNames, type NamedCredentials } from './explorer-credentials.ts';
import { ExchangeLadder } from './explorer-exchange.ts';
import { Observed } from './explorer-observation.ts';
import { mostPayloadBytes } from './request-schemas.ts';
import type { UserPlaces } from './user-places.ts';

/** What they work with. */
export interface ExplorerParts extends NamedCredentials {
  readonly places: UserPlaces;
  readonly audit: ConsoleAudit;
  readonly streams: EventStreams;
  readonly clock: WallClock;
}

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
  const { audit, places } = parts;
  const begin = (
    { body, user }: Asked<ExplorerTarget & Pick<ExplorerRequest, 'proxy'>>,
    what: string,
  ): { plan: ExplorerPlan; end: () => void } => {
    const plan = explorerPlan(body, user, parts);
    const end = places.take(user);
    const { credential, proxy } = body;
    audit.used('request-sent', user.name, {
      ...{ request: what, uri: plan.uri.text },
      ...(proxy !== undefined && { proxy: plan.hop.text }),
      ...(credential?.kind === 'device' && { as: credential.id }),
      ...(credential?.kind === 'proxy' && { as: credential.pattern }),
    });
    return { plan, end };
  };
  return {
    'GET /api/explorer/credentials': ({ user }) => credentialNames(parts, user),
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
        const options = explorerOptions(body, plan);
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
  const options = explorerOptions(body, plan);
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
    // What comes now belongs to nothing any more: it is to be seen, and how it is answered.
    if (body.listenSeconds) await delay(body.listenSeconds * 1000, undefined, { signal });
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
