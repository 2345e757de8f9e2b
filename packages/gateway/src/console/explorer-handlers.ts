/**
 * The explorer's routes: one request, an observation as a stream, discovery, a ping, and the credentials that have a name. Each request
 * is in the audit log with its URI and the user's name; payloads and keys are not.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'coapsule';
import type { WallClock } from '../server/wall-clock.ts';
import { ApiFailure } from './api-failure.ts';
import type { ExplorerRequest, ExplorerResult, ExplorerTarget } from './api-types.ts';
import type { Asked, Handlers } from './console-api.ts';
import type { ConsoleAudit } from './console-audit.ts';
import { linkView } from './directory-views.ts';
import type { EventStreams } from './event-stream.ts';
import {
  type BegunRequest,
  explorerClient,
  explorerOptions,
  explorerPlan,
  explorerResponse,
  methodOfRequest,
} from './explorer.ts';
import { requestCommands } from './explorer-commands.ts';
import { credentialNames, type NamedCredentials } from './explorer-credentials.ts';
import { ExchangeLadder } from './explorer-exchange.ts';
import { addNamedCredential } from './explorer-named.ts';
import { Observed } from './explorer-observation.ts';
import type { ExplorerContexts } from './explorer-oscore.ts';
import { peerProblem } from './peer-problem.ts';
import { mostPayloadBytes } from './request-schemas.ts';
import type { UserPlaces } from './user-places.ts';

/** What they work with. */
export interface ExplorerParts extends NamedCredentials {
  readonly contexts: Pick<ExplorerContexts, 'take'>;
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
  | 'POST /api/explorer/credentials'
  | 'DELETE /api/explorer/credentials/{name}'
  | 'POST /api/explorer/request'
  | 'POST /api/explorer/observe'
  | 'POST /api/explorer/discover'
  | 'POST /api/explorer/ping'
> {
  const { audit, clock, named } = parts;
  return {
    'GET /api/explorer/credentials': ({ user }) => credentialNames(parts, user),
    'POST /api/explorer/credentials': async ({ body, user }) => {
      const added = await addNamedCredential(named, body, clock());
      const { name, proof, oscore, target, forOperators } = added;
      audit.add('explorer-credential-added', user, {
        credential: name,
        proof,
        oscore,
        target,
        forOperators,
      });
      return added;
    },
    'DELETE /api/explorer/credentials/{name}': ({ parameters: { name = '' }, user }) => {
      if (!named.remove(name))
        throw new ApiFailure('not-found', `there is no credential of the name ${name}`);
      audit.add('explorer-credential-removed', user, { credential: name });
    },
    'POST /api/explorer/request': async (asked) => {
      const begun = await begin(parts, asked, asked.body.method);
      return requested(asked.body, begun, asked.context.req.raw.signal);
    },
    'POST /api/explorer/observe': async (asked) => {
      const { body, context, session } = asked;
      const begun = await begin(parts, asked, 'observe');
      try {
        const options = explorerOptions(body, begun.plan);
        return parts.streams.answer(context, session, () => new Observed(body, begun, options, parts.clock));
      } catch (error) {
        begun.end();
        throw error;
      }
    },
    'POST /api/explorer/discover': async (asked) => {
      const begun = await begin(parts, asked, 'discover');
      const { plan } = begun;
      const ladder = new ExchangeLadder(now, plan.notes);
      const client = explorerClient(begun, {}, ladder.trace);
      try {
        const links = await client.discover(plan.uri.text, {
          timeoutMs: plan.timeoutMs,
          signal: asked.context.req.raw.signal,
        });
        return { links: links.slice(0, 5000).map(linkView), problem: null, elapsedMs: ladder.elapsedMs };
      } catch (error) {
        return { links: [], problem: peerProblem(error), elapsedMs: ladder.elapsedMs };
      } finally {
        begun.end(client);
      }
    },
    'POST /api/explorer/ping': async (asked) => {
      const begun = await begin(parts, asked, 'ping');
      const { plan } = begun;
      const ladder = new ExchangeLadder(now, plan.notes);
      const client = explorerClient(begun, {}, ladder.trace);
      try {
        const { roundTripMs } = await client.ping(plan.uri.text, {
          timeoutMs: plan.timeoutMs,
          signal: asked.context.req.raw.signal,
        });
        return { roundTripMs, problem: null, ladder: ladder.steps };
      } catch (error) {
        return { roundTripMs: null, problem: peerProblem(error), ladder: ladder.steps };
      } finally {
        begun.end(client);
      }
    },
  };
}

/** Who is asked, a place among the requests under way, and the context, where there is one. */
async function begin(
  parts: Pick<ExplorerParts, keyof NamedCredentials | 'places' | 'audit' | 'contexts'>,
  { body, user }: Asked<ExplorerTarget & Pick<ExplorerRequest, 'proxy'>>,
  what: string,
): Promise<BegunRequest> {
  const plan = explorerPlan(body, user, parts);
  const release = parts.places.take(user);
  const { credential, proxy } = body;
  parts.audit.used('request-sent', user, {
    ...{ request: what, uri: plan.uri.text },
    ...(proxy !== undefined && { proxy: plan.hop.text }),
    ...(credential?.kind === 'named' && { as: credential.name }),
    ...(credential?.kind === 'device' && { as: credential.id }),
    ...(credential?.kind === 'proxy' && { as: credential.pattern }),
    ...(plan.oscore !== undefined && { oscore: true }),
  });
  try {
    // A ping is empty, and no context protects it.
    const taken =
      plan.oscore === undefined || what === 'ping' ? undefined : await parts.contexts.take(plan.oscore);
    return {
      ...{ plan, context: taken?.context },
      end(client) {
        release();
        if (client === undefined) taken?.release();
        else void client.close().finally(() => taken?.release());
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

async function requested(
  body: ExplorerRequest,
  begun: BegunRequest,
  signal: AbortSignal,
): Promise<ExplorerResult> {
  const { plan } = begun;
  let client: Client | undefined;
  try {
    const options = explorerOptions(body, plan);
    const ladder = new ExchangeLadder(now, plan.notes);
    client = explorerClient(begun, body, ladder.trace);
    const whole = AbortSignal.any([signal, AbortSignal.timeout(plan.timeoutMs + 1000)]);
    let outcome: Pick<ExplorerResult, 'response' | 'problem'>;
    try {
      const streamed = await client.stream(methodOfRequest(body), plan.uri.text, {
        ...options,
        signal: whole,
      });
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
    }
    return {
      ...outcome,
      elapsedMs: ladder.elapsedMs,
      ladder: ladder.steps,
      isLadderCut: ladder.isCut,
      commands: requestCommands(body, plan, options.options ?? [], false),
    };
  } finally {
    begun.end(client);
  }
}
