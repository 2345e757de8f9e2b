/**
 * Requests to the gateway that this page came from: JSON, the token against cross-site requests, problems as values.
 *
 * The types are the gateway's own (`src/console/api-types.ts`). Whether the gateway answers at all is told to `link.ts`.
 *
 * @module
 */

import type { ApiProblem, ApiRoutes } from '../../src/console/api-types.ts';
import { words } from '../wording.ts';
import { noteAnswer, noteNobody, noteSilence, session } from './link.ts';

/** What came of a request. */
export type Outcome<T> =
  | { readonly isOk: true; readonly value: T }
  | { readonly isOk: false; readonly problem: ApiProblem };

type PlainRoute = {
  [R in keyof ApiRoutes]: ApiRoutes[R] extends { readonly answer: unknown } ? R : never;
}[keyof ApiRoutes];

type AnswerOf<R extends PlainRoute> = ApiRoutes[R] extends { readonly answer: infer A } ? A : never;

/** What goes with a request: for the braces of its path, its query, its body. */
export interface RequestParts<Body> {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: Body;
  readonly signal?: AbortSignal;
}

/** Asks the gateway; never rejects but for an `AbortSignal`. */
export async function ask<R extends PlainRoute>(
  route: R,
  parts: RequestParts<ApiRoutes[R]['request']> = {},
): Promise<Outcome<AnswerOf<R>>> {
  const outcome = await send(route, parts);
  if (!outcome.isOk) return outcome;
  try {
    const text = await outcome.value.text();
    return { isOk: true, value: (text === '' ? undefined : JSON.parse(text)) as AnswerOf<R> };
  } catch (error) {
    return lost(error, parts.signal);
  }
}

/** The same, with the answer as it comes: a stream, or a file. */
export async function send(
  route: keyof ApiRoutes,
  { path = {}, query = {}, body, signal }: RequestParts<unknown> = {},
): Promise<Outcome<Response>> {
  const [method = 'GET'] = route.split(' ', 1);
  let response: Response;
  try {
    response = await fetch(addressOf(route, path, query), {
      method,
      cache: 'no-store',
      headers: {
        accept: 'application/json, text/event-stream;q=0.9, */*;q=0.1',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(method !== 'GET' && { 'x-csrf-token': session.peek()?.csrfToken ?? '' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    });
  } catch (error) {
    return lost(error, signal);
  }
  const problem = response.ok ? undefined : await problemOf(response);
  // A server in between says so in its own words when there is no gateway behind it.
  if (problem === undefined && response.status >= 502) return lost(new Error(`${response.status}`), signal);
  noteAnswer();
  if (problem === undefined && response.ok) return { isOk: true, value: response };
  if (problem === undefined) return { isOk: false, problem: strange(response.status) };
  if (problem.code === 'unauthenticated') noteNobody();
  return { isOk: false, problem };
}

/** The address of a route, with what goes into its braces and its query. */
export function addressOf(
  route: keyof ApiRoutes,
  path: Readonly<Record<string, string>> = {},
  query: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const [, pattern = ''] = route.split(' ');
  const filled = pattern.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ''));
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return search.size === 0 ? filled : `${filled}?${search}`;
}

/** What is told of a request, or a stream, that broke. */
export function lost(
  error: unknown,
  signal: AbortSignal | undefined,
): { readonly isOk: false; readonly problem: ApiProblem } {
  if (signal?.aborted) throw error;
  noteSilence();
  return {
    isOk: false,
    problem: { code: 'failed', message: words.gateway.silent, nextStep: words.gateway.silentStep },
  };
}

/** Undefined for an answer that is none of the gateway. */
async function problemOf(response: Response): Promise<ApiProblem | undefined> {
  try {
    const problem = (await response.json()) as Partial<ApiProblem>;
    if (typeof problem.code === 'string' && typeof problem.message === 'string') return problem as ApiProblem;
  } catch {
    // No JSON: whoever answered was not the console's server.
  }
  return undefined;
}

function strange(status: number): ApiProblem {
  return {
    code: status === 401 ? 'unauthenticated' : 'failed',
    message: words.gateway.strangeAnswer(status),
  };
}
