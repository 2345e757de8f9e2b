/**
 * The server of the console's API: every route of the table with who may ask it, and what of a request is looked at before its
 * handler sees it. In this order: does it come from the console's own page, is somebody logged in, may they, is it theirs (CSRF), is
 * its body as it should be. Whoever is nobody learns nothing but that.
 */
import type { Context, Hono } from 'hono';
import type * as z from 'zod';
import type { HttpClient } from '../http/trusted-proxies.ts';
import { StoreFault } from '../store/store-fault.ts';
import { networkOf } from '../text/network.ts';
import { ApiFailure } from './api-failure.ts';
import type { ApiRoutes, Role } from './api-types.ts';
import type { Actor } from './console-audit.ts';
import { type ConsoleRoute, type RouteName, routeTable } from './route-table.ts';
import { isSameSite } from './same-site.ts';
import { securityHeaders } from './security-headers.ts';
import type { SessionCookie } from './session-cookie.ts';
import { type ConsoleSessions, hasCsrfToken, type Session, type SessionUser } from './sessions.ts';
import { UserPlaces } from './user-places.ts';

/** What a handler is asked. */
export interface Asked<Body> {
  readonly user: SessionUser & Actor;
  readonly session: Session;
  /** Parameters of the path, decoded. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: Body;
  readonly context: Context;
}

type AnswerOf<Route> = Route extends { readonly answer: infer Answer } ? Answer : Response;

type HandlerOf<Name extends RouteName> = (
  asked: Asked<ApiRoutes[Name]['request']>,
) => AnswerOf<ApiRoutes[Name]> | Promise<AnswerOf<ApiRoutes[Name]>>;

type LoginRoute = 'POST /api/session/link' | 'POST /api/session/password';

/** Of all routes for which somebody has to be logged in. */
export type Handlers = { readonly [Name in Exclude<RouteName, LoginRoute>]: HandlerOf<Name> };

/** Of the others, and of the cookie. */
export type LoginHandlers = {
  readonly [Name in LoginRoute]: (
    context: Context,
    body: ApiRoutes[Name]['request'],
  ) => Promise<ApiRoutes[Name]['answer']>;
};

/** What the API works with. */
export interface ConsoleApiParts {
  readonly sessions: ConsoleSessions;
  readonly cookie: SessionCookie;
  /** Who asks. */
  readonly clientOf: (context: Context) => HttpClient;
  readonly handlers: Handlers;
  readonly logins: LoginHandlers;
  /** Something failed that is nobody's fault but ours. */
  readonly onError: (error: Error) => void;
}

/** Payloads of the explorer come in hexadecimal digits. */
const mostBodyBytes = 3 * 1024 * 1024;
const mostLoginBytes = 8 * 1024;

const rank: Readonly<Record<Role, number>> = { view: 0, operate: 1, admin: 2 };

/** Adds all routes. */
export function addConsoleApi(app: Hono, parts: ConsoleApiParts): void {
  const bodies = new UserPlaces();
  for (const route of routeTable) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
    app.on(route.method, path, securityHeaders, async (c) => {
      try {
        return await answered(c, route, parts, bodies);
      } catch (error) {
        return refused(c, error, parts);
      }
    });
  }
}

/** Why not, as JSON. */
function refused(c: Context, error: unknown, { onError }: Pick<ConsoleApiParts, 'onError'>): Response {
  const failure = failureOf(error);
  if (failure.problem.code === 'failed') onError(error as Error);
  const { retrySeconds } = failure;
  return c.json(failure.problem, failure.status, {
    'cache-control': 'no-store',
    ...(retrySeconds !== undefined && { 'retry-after': String(Math.ceil(retrySeconds)) }),
  });
}

function failureOf(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  if (error instanceof StoreFault)
    return new ApiFailure('busy', `the store cannot be used now: ${error.message}`, error.nextStep, 5);
  return new ApiFailure('failed', 'the gateway failed', 'look at its log');
}

async function answered(
  c: Context,
  route: ConsoleRoute,
  parts: ConsoleApiParts,
  bodies: UserPlaces,
): Promise<Response> {
  expectSameSite(c);
  c.header('cache-control', 'no-store');
  if (route.name === 'POST /api/session/link' || route.name === 'POST /api/session/password') {
    const login = parts.logins[route.name] as (context: Context, body: unknown) => Promise<unknown>;
    return c.json(await login(c, await bodyOf(c, route, mostLoginBytes)));
  }
  const session = parts.sessions.use(parts.cookie.idOf(c));
  if (session === undefined) throw new ApiFailure('unauthenticated', 'nobody is logged in', 'log in');
  const { user } = session;
  if (route.role !== 'nobody' && rank[user.role] < rank[route.role]) {
    throw new ApiFailure('forbidden', `this is for the role ${route.role}, and yours is ${user.role}`);
  }
  if (route.method !== 'GET' && !hasCsrfToken(session, c.req.header('x-csrf-token')))
    throw new ApiFailure('cross-site', 'the header x-csrf-token is missing, or not that of the session');
  // Of a stream there is nothing but its body.
  if (c.req.method === 'HEAD' && route.answer.kind === 'events')
    throw new ApiFailure('invalid', 'a stream is asked for with its body');
  const handler = parts.handlers[route.name] as (asked: Asked<unknown>) => unknown;
  // Bodies that are read at a time hold 96 MiB at most.
  const read = route.body === undefined ? () => {} : bodies.take(user);
  const body = await bodyOf(c, route, mostBodyBytes).finally(read);
  const answer = await handler({
    ...{ user: { ...user, from: networkOf(parts.clientOf(c).address) }, session, context: c, body },
    parameters: c.req.param() as Record<string, string>,
    query: c.req.query(),
  });
  if (answer instanceof Response) return answer;
  return route.answer.kind === 'json' ? c.json(answer, route.answer.status) : c.body(null, 204);
}

function expectSameSite(c: Context): void {
  const isOwn = isSameSite({
    method: c.req.method,
    host: c.req.header('host') ?? new URL(c.req.url).host,
    origin: c.req.header('origin'),
    fetchSite: c.req.header('sec-fetch-site'),
  });
  if (!isOwn) throw new ApiFailure('cross-site', 'the request comes from a page of another site');
}

async function bodyOf(c: Context, { body: schema }: ConsoleRoute, mostBytes: number): Promise<unknown> {
  if (schema === undefined) return undefined;
  // A form of another site cannot say this type without asking before (the CORS protocol).
  if (!/^application\/json\b/i.test(c.req.header('content-type') ?? ''))
    throw new ApiFailure('invalid', 'the body is not application/json');
  const text = await boundedText(c, mostBytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ApiFailure('invalid', 'the body is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ApiFailure('invalid', faultText(parsed.error));
}

async function boundedText(c: Context, mostBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of c.req.raw.body ?? []) {
    length += chunk.length;
    if (length > mostBytes) throw new ApiFailure('too-large', `the body has more than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** The first of them, with where it is; never the value, which may be a password. */
function faultText({ issues: [issue] }: z.ZodError): string {
  const place = issue?.path.join('.') ?? '';
  return `${place === '' ? 'the body' : place}: ${issue?.message ?? 'not as it should be'}`;
}
