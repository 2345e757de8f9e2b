/**
 * The section `access` of the configuration file: roles, groups, rules of identities, and what paths demand.
 */
import type { RequiredProtection } from 'coapsule';
import * as z from 'zod';
import { type AccessSettings, ruleFor } from '../access/configured-access.ts';
import { parsePath } from '../access/rule.ts';
import { burstOf, type RequestRate } from '../overload/request-rate.ts';
import { keys, refused, soundTexts, text, texts, whole } from './config-values.ts';

const protections = {
  secured: 'either',
  dtls: 'dtls',
  oscore: 'oscore',
  both: 'both',
} as const satisfies Record<string, RequiredProtection>;

/** Makes the schema of the section, which gives what it says with all roles resolved. */
export function accessSection(): z.ZodType<AccessSettings> {
  const rules = soundTexts('rules such as GET:/sensors/*', (given) => {
    const rule = ruleFor(given, 'id');
    return typeof rule === 'string' ? rule : undefined;
  });
  const roleNames = texts('names of roles').describe('Roles, whose rules count too.').optional();
  const allow = rules
    .describe('Rules METHOD:PATH, such as GET:/sensors/*; {id} stands for the identity that asks.')
    .optional();
  const named = <Value extends z.ZodType>(value: Value, what: string) =>
    z.record(z.string().min(1), value, { error: `expected names with ${what}` });
  return keys({
    roles: named(
      z.union([rules, keys({ allow, ...rateKeys })], {
        error: 'expected a list of rules such as GET:/sensors/*, or keys with values: allow, rate, burst',
      }),
      'lists of rules',
    )
      .describe('Rules under a name: a list, or allow with rate and burst.')
      .optional(),
    groups: named(
      keys({
        members: texts('identities')
          .describe('Identities; with a * at the end, all that begin so.')
          .optional(),
        roles: roleNames,
        allow,
        ...rateKeys,
      }),
      'members, roles and allow',
    )
      .describe('Identities that may do the same.')
      .optional(),
    identities: named(keys({ roles: roleNames, allow, ...rateKeys }), 'roles and allow')
      .describe('What single identities may do.')
      .optional(),
    resources: z
      .array(resourceDemand(), { error: 'expected a list of paths with what they demand' })
      .describe('What requests for some paths have to be, whoever sends them.')
      .optional(),
  }).transform((file, context): AccessSettings => {
    const { roles = {}, groups = {}, identities = {}, resources = [] } = file;
    const rulesOf = (
      where: readonly string[],
      given: readonly string[] = [],
      own: readonly string[] = [],
    ) => [
      ...given.flatMap((name, index) => {
        if (Object.hasOwn(roles, name)) return rulesOfRole(roles[name]);
        const known = Object.keys(roles).join(', ') || 'none';
        context.addIssue({
          code: 'custom',
          message: `"${name}" is no role (roles: ${known})`,
          path: [...where, 'roles', index],
          input: name,
        });
        return [];
      }),
      ...own,
    ];
    for (const [section, named] of Object.entries({ roles, groups, identities })) {
      for (const [name, given] of Object.entries(named)) {
        if ('length' in given || given.burst === undefined || given.rate !== undefined) continue;
        context.addIssue({
          code: 'custom',
          message: 'has no rate beside it, and says nothing without: give rate, in requests a second, too',
          path: [section, name, 'burst'],
          input: given.burst,
        });
      }
    }
    const rateOf = (own: RateKeys, given: readonly string[] = []): RequestRate | undefined =>
      rateOfKeys(own) ?? largest(given.map((name) => rateOfKeys(roles[name])));
    const rates = Object.entries(identities).flatMap(([identity, { roles: given, ...own }]) => {
      const rate = rateOf(own, given);
      return rate === undefined ? [] : [[identity, rate] as const];
    });
    return {
      ...(rates.length === 0 ? {} : { rates: new Map(rates) }),
      identities: new Map(
        Object.entries(identities).map(([identity, { roles: given, allow: own }]) => [
          identity,
          rulesOf(['identities', identity], given, own),
        ]),
      ),
      groups: Object.entries(groups).map(
        ([name, { members = [], roles: given, allow: own, ...keysOfRate }]) => {
          const rate = rateOf(keysOfRate, given);
          return {
            members,
            rules: rulesOf(['groups', name], given, own),
            ...(rate === undefined ? {} : { rate }),
          };
        },
      ),
      resources,
    };
  });
}

/** How often one identity may ask. */
interface RateKeys {
  readonly rate?: number | undefined;
  readonly burst?: number | undefined;
}

const rateKeys = {
  rate: z
    .number('expected requests a second, such as 0.1 or 20')
    .min(0.001, 'expected 0.001 requests a second or more')
    .max(1_000_000, 'expected 1000000 requests a second or less')
    .describe('Requests a second that each identity may make; more are answered 4.29.')
    .optional(),
  burst: whole(1, 1_000_000)
    .describe('Requests that it may make at once after a quiet time; five seconds of its rate without it.')
    .optional(),
};

function rulesOfRole(
  role: readonly string[] | { readonly allow?: readonly string[] | undefined } | undefined,
): readonly string[] {
  return role !== undefined && 'length' in role ? role : (role?.allow ?? []);
}

function rateOfKeys(keysOfRate: RateKeys | readonly string[] | undefined): RequestRate | undefined {
  if (keysOfRate === undefined || !('rate' in keysOfRate) || keysOfRate.rate === undefined) return undefined;
  const { rate: perSecond, burst = burstOf(perSecond) } = keysOfRate;
  return { perSecond, burst };
}

function largest(rates: readonly (RequestRate | undefined)[]): RequestRate | undefined {
  return rates
    .filter((rate) => rate !== undefined)
    .reduce<RequestRate | undefined>(
      (most, rate) => (most === undefined || rate.perSecond > most.perSecond ? rate : most),
      undefined,
    );
}

function resourceDemand() {
  return keys({
    path: text('a path such as /lock').describe('A path, or with /* at its end everything below one.'),
    requires: z
      .enum(
        Object.keys(protections) as (keyof typeof protections)[],
        'expected secured, dtls, oscore or both',
      )
      .describe(
        'How requests have to be protected: by DTLS or OSCORE, by one of them, or by both; else 4.01.',
      )
      .optional(),
    freshWithin: whole(1, 86_400)
      .describe(
        'Seconds: a request that changes something has to be made so short a time ago, which Echo shows (RFC 9175).',
      )
      .optional(),
  }).transform(({ path, requires, freshWithin }, context) => {
    const parsed = parsePath(path);
    if (typeof parsed === 'string') return refused(context, parsed, ['path']);
    return {
      path: parsed,
      requires: requires && protections[requires],
      freshWithinSeconds: freshWithin,
    };
  });
}
