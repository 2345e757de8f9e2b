/**
 * A run of a collection: each request in turn, by whatever sends them.
 *
 * @module
 */

import type { Section } from './collection.ts';
import { type Check, captured, evaluated, type ReceivedResponse } from './evaluate-response.ts';
import type { CollectionPlan, PlannedRequest } from './plan-collection.ts';
import { type ResolvedRequest, resolvedRequest } from './resolved-request.ts';

/** Sends requests. Rejects with what went wrong. */
export interface CollectionSender {
  request(request: ResolvedRequest): Promise<ReceivedResponse>;
  /** Follows a resource until so many notifications came or the seconds are over, and cancels. Those that came. */
  observe(
    request: ResolvedRequest,
    wanted: { readonly notifications: number; readonly within: number },
  ): Promise<readonly ReceivedResponse[]>;
  /** What went wrong, in words. */
  explain(error: unknown): string;
  /** Whether nothing more is to be sent, because the user ended it. */
  isEnded(): boolean;
}

/** What came of one request. */
export interface RequestResult {
  readonly section: Section;
  readonly name: string;
  readonly line: number;
  readonly method: string;
  readonly uri: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly code: string | null;
  readonly durationMs: number | null;
  readonly checks: readonly Check[];
  /** Why there is no response, or why it was skipped. */
  readonly problem: string | null;
}

/** What came of all. */
export interface CollectionResult {
  readonly name: string | null;
  readonly environment: string | null;
  readonly results: readonly RequestResult[];
  /** Whether all that was expected holds, and nothing was skipped. */
  readonly holds: boolean;
}

/** Of all variables, in characters: what they hold comes from other servers. */
const mostKept = 16 * 1024 * 1024;

/** Makes the requests. @param tell hears of each result as it comes. */
export async function runCollection(
  plan: CollectionPlan,
  sender: CollectionSender,
  tell: (result: RequestResult) => void = () => {},
): Promise<CollectionResult> {
  const values = new Map(plan.values);
  const results: RequestResult[] = [];
  let setupFailed: string | undefined;
  for (const planned of plan.requests) {
    const skipped = sender.isEnded()
      ? 'the run was ended'
      : planned.section === 'requests' && setupFailed !== undefined
        ? `"${setupFailed}" of the setup failed`
        : undefined;
    const result =
      skipped === undefined
        ? await resultOf(planned, values, sender)
        : { ...described(planned), outcome: 'skipped' as const, problem: skipped };
    if (planned.section === 'setup' && result.outcome !== 'passed') setupFailed ??= planned.request.name;
    results.push(result);
    tell(result);
  }
  return {
    name: plan.name ?? null,
    environment: plan.environment ?? null,
    results,
    holds: results.every(({ outcome }) => outcome === 'passed'),
  };
}

function described({ section, request, line }: PlannedRequest): Omit<RequestResult, 'outcome'> {
  const { name, method = 'GET', uri, observe } = request;
  const verb = observe === undefined ? method : `observe ${method}`;
  return { section, name, line, method: verb, uri, code: null, durationMs: null, checks: [], problem: null };
}

async function resultOf(
  planned: PlannedRequest,
  values: Map<string, string>,
  sender: CollectionSender,
): Promise<RequestResult> {
  const { request } = planned;
  const sent = resolvedRequest(request, values);
  if ('problem' in sent) return { ...described(planned), outcome: 'failed', problem: sent.problem };
  const about = { ...described(planned), uri: sent.uri };
  let response: ReceivedResponse | undefined;
  const checks: Check[] = [];
  try {
    if (request.observe === undefined) response = await sender.request(sent);
    else {
      const { notifications, within } = request.observe;
      const came = await sender.observe(sent, request.observe);
      response = came.at(-1);
      const holds = came.length >= notifications;
      const what = `${notifications} notifications within ${within} s`;
      checks.push(holds ? { what, holds } : { what, holds, found: String(came.length) });
      if (response === undefined) return { ...about, outcome: 'failed', checks, problem: null };
    }
  } catch (error) {
    return { ...about, outcome: 'failed', problem: sender.explain(error) };
  }
  checks.push(...evaluated(request, response, values));
  const taken = captured(request, response);
  checks.push(...taken.checks);
  const kept = [...values.values()].reduce((sum, value) => sum + value.length, 0);
  const added = [...taken.values.values()].reduce((sum, value) => sum + value.length, 0);
  if (kept + added <= mostKept) for (const [name, value] of taken.values) values.set(name, value);
  else
    checks.push({
      what: 'room for what is captured',
      holds: false,
      found: `all variables together have more than ${mostKept / 1024 / 1024} MiB`,
    });
  return {
    ...about,
    outcome: checks.every(({ holds }) => holds) ? 'passed' : 'failed',
    code: response.code,
    durationMs: response.durationMs,
    checks,
  };
}
