/**
 * What a run of a collection will do: its requests in order, and the values that variables have at the start.
 *
 * @module
 */

import { nearestWord } from '../text/nearest-word.ts';
import {
  type Collection,
  type CollectionCredentials,
  type CollectionRequest,
  type SecretReference,
  type Section,
  sections,
} from './collection.ts';
import { FillBudget, filled, filledDeep, namesIn, TooLong, textsIn } from './template.ts';

/** One request of a run. */
export interface PlannedRequest {
  readonly section: Section;
  readonly request: CollectionRequest;
  /** Where it stands in the file, from 1. */
  readonly line: number;
}

/** What will be done. */
export interface CollectionPlan {
  readonly name: string | undefined;
  readonly environment: string | undefined;
  readonly requests: readonly PlannedRequest[];
  readonly values: ReadonlyMap<string, string>;
  /** Of `values` those that are never printed. */
  readonly secrets: readonly string[];
  readonly credentials: CollectionCredentials;
}

/** Why it cannot be done, with the line that it is about. */
export interface PlanFault {
  readonly line: number;
  readonly problem: string;
}

/** What a run is asked for. */
export interface PlanOptions {
  readonly lineOf: (path: readonly PropertyKey[]) => number;
  /** Name of the environment; where there is one alone it is that. */
  readonly environment?: string | undefined;
  /** Names of requests; setup and teardown run whatever is chosen. */
  readonly only?: readonly string[] | undefined;
  /** Values of the secrets of the environment, by name. */
  readonly secrets?: ReadonlyMap<string, string> | undefined;
  /** These go before those of the file. */
  readonly variables?: ReadonlyMap<string, string> | undefined;
}

/** The environment that is meant, by name, or why there is none. */
export function chosenEnvironment(
  { environments = {} }: Collection,
  asked: string | undefined,
): { readonly name: string | undefined } | { readonly problem: string } {
  const names = Object.keys(environments);
  if (asked === undefined) {
    if (names.length < 2) return { name: names[0] };
    return { problem: `there are ${names.length} environments: choose one of ${names.join(', ')}` };
  }
  if (Object.hasOwn(environments, asked)) return { name: asked };
  const meant = nearestWord(asked, names);
  const hint = meant === undefined ? `there are: ${names.join(', ') || 'none'}` : `did you mean ${meant}?`;
  return { problem: `there is no environment ${asked}: ${hint}` };
}

/** The secrets that a run needs. */
export function secretsOf(
  collection: Collection,
  environment: string | undefined,
): ReadonlyMap<string, SecretReference> {
  const { secrets = {} } = environment === undefined ? {} : (collection.environments?.[environment] ?? {});
  return new Map(Object.entries(secrets));
}

/** Plans a run, or says all that stands against it. Never throws. */
export function planCollection(
  collection: Collection,
  { lineOf, environment: asked, only, secrets = new Map(), variables = new Map() }: PlanOptions,
): { readonly plan: CollectionPlan } | { readonly faults: readonly PlanFault[] } {
  const chosen = chosenEnvironment(collection, asked);
  if ('problem' in chosen) return { faults: [{ line: lineOf(['environments']), problem: chosen.problem }] };
  const { name: environment } = chosen;
  const surroundings = environment === undefined ? undefined : collection.environments?.[environment];
  const values = new Map<string, string>();
  for (const given of [collection.variables, surroundings?.variables])
    for (const [name, value] of Object.entries(given ?? {})) values.set(name, String(value));
  for (const given of [variables, secrets]) for (const [name, value] of given) values.set(name, value);
  const faults: PlanFault[] = [];
  // Variables may stand for others that come before them.
  const budget = new FillBudget();
  for (const [name, value] of values) {
    if (secrets.has(name)) continue;
    const problem = filling(name, value, values, budget);
    if (problem !== undefined)
      faults.push({ line: lineOf(['variables']), problem: `variable ${name}: ${problem}` });
  }
  const requests = chosenRequests(collection, only, lineOf, faults);
  const known = new Set(values.keys());
  for (const { request, section } of requests) {
    const index = collection[section]!.indexOf(request);
    const settings = { ...collection.defaults, ...request };
    const { capture = {}, name: _, ...rest } = settings;
    for (const { text, path } of textsIn(rest)) {
      if (path.at(-1) === 'matches') continue;
      for (const name of namesIn(text)) {
        if (known.has(name)) continue;
        const where = environment === undefined ? '' : ` in the environment ${environment}`;
        faults.push({
          line: lineOf([section, index, ...path]),
          problem: `${request.name}: \${${name}} has no value${where}, and no request before it captures it`,
        });
      }
    }
    for (const name of Object.keys(capture)) known.add(name);
  }
  const given = surroundings?.credentials ?? {};
  for (const { text } of textsIn(given)) {
    const missing = namesIn(text).find((name) => !values.has(name));
    if (missing !== undefined)
      faults.push({
        line: lineOf(['environments', environment!, 'credentials']),
        problem: `\${${missing}} has no value`,
      });
  }
  if (faults.length > 0) return { faults };
  return {
    plan: {
      name: collection.name,
      environment,
      requests: requests.map((one) => ({ ...one, request: { ...collection.defaults, ...one.request } })),
      values,
      secrets: [...secrets.values()],
      credentials: filledDeep(given, values) as CollectionCredentials,
    },
  };
}

/** Gives a variable its value. @returns why it has none. */
function filling(
  name: string,
  value: string,
  values: Map<string, string>,
  budget: FillBudget,
): string | undefined {
  const missing = namesIn(value).find((inner) => !values.has(inner) || inner === name);
  if (missing !== undefined) return `\${${missing}} has no value here`;
  try {
    values.set(name, filled(value, values, budget));
  } catch (error) {
    if (!(error instanceof TooLong)) throw error;
    return error.message;
  }
  return undefined;
}

function chosenRequests(
  collection: Collection,
  only: readonly string[] | undefined,
  lineOf: PlanOptions['lineOf'],
  faults: PlanFault[],
): readonly PlannedRequest[] {
  const all = sections.flatMap((section) =>
    (collection[section] ?? []).map((request, index) => ({
      section,
      request,
      line: lineOf([section, index]),
    })),
  );
  if (only === undefined) return all;
  const names = collection.requests.map(({ name }) => name);
  for (const name of only) {
    if (names.includes(name)) continue;
    const meant = nearestWord(name, names);
    const hint = meant === undefined ? `requests: ${names.join(', ')}` : `did you mean ${meant}?`;
    faults.push({ line: lineOf(['requests']), problem: `there is no request "${name}": ${hint}` });
  }
  return all.filter(({ section, request }) => section !== 'requests' || only.includes(request.name));
}
