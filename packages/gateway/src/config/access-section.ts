/**
 * The section `access` of the configuration file: roles, groups, rules of identities, and what paths demand.
 */
import type { RequiredProtection } from 'coapsule';
import * as z from 'zod';
import { type AccessSettings, ruleFor } from '../access/configured-access.ts';
import { parsePath } from '../access/rule.ts';
import { keys, refused, text, texts, whole } from './config-values.ts';

const protections = {
  secured: 'either',
  dtls: 'dtls',
  oscore: 'oscore',
  both: 'both',
} as const satisfies Record<string, RequiredProtection>;

/** Makes the schema of the section, which gives what it says with all roles resolved. */
export function accessSection(): z.ZodType<AccessSettings> {
  const rules = texts('rules such as GET:/sensors/*').superRefine((given, context) => {
    for (const [index, rule] of given.entries()) {
      const problem = ruleFor(rule, 'id');
      if (typeof problem === 'string')
        context.addIssue({ code: 'custom', message: problem, path: [index], input: rule });
    }
  });
  const roleNames = texts('names of roles').describe('Roles, whose rules count too.').optional();
  const allow = rules
    .describe('Rules METHOD:PATH, such as GET:/sensors/*; {id} stands for the identity that asks.')
    .optional();
  const named = <Value extends z.ZodType>(value: Value, what: string) =>
    z.record(z.string().min(1), value, { error: `expected names with ${what}` });
  return keys({
    roles: named(rules, 'lists of rules').describe('Rules under a name.').optional(),
    groups: named(
      keys({
        members: texts('identities')
          .describe('Identities; with a * at the end, all that begin so.')
          .optional(),
        roles: roleNames,
        allow,
      }),
      'members, roles and allow',
    )
      .describe('Identities that may do the same.')
      .optional(),
    identities: named(keys({ roles: roleNames, allow }), 'roles and allow')
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
        if (Object.hasOwn(roles, name)) return roles[name] ?? [];
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
    return {
      identities: new Map(
        Object.entries(identities).map(([identity, { roles: given, allow: own }]) => [
          identity,
          rulesOf(['identities', identity], given, own),
        ]),
      ),
      groups: Object.entries(groups).map(([name, { members = [], roles: given, allow: own }]) => ({
        members,
        rules: rulesOf(['groups', name], given, own),
      })),
      resources,
    };
  });
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
