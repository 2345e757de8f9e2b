/**
 * What a configuration says of access: rules for identities and for groups of them, and what paths demand of every request.
 *
 * Rules add up: an identity may do what any of them covers. In a rule `{id}` stands for the identity that asks, as one segment
 * or a part of one. What paths demand adds up too: a request has to be protected, and fresh, as all that fit say.
 */
import type { RequiredProtection } from 'coapsule';
import type { RequestRate } from '../overload/request-rate.ts';
import { parseRule, pathCovers, type Rule, type RulePath } from './rule.ts';

/** As it was read; role names are resolved to their rules. */
export interface AccessSettings {
  /** Rules by identity, in text. */
  readonly identities: ReadonlyMap<string, readonly string[]>;
  readonly groups: readonly GroupSettings[];
  readonly resources: readonly ResourceDemand[];
  /** How often identities may ask, of those that have a rate of their own or by their roles. */
  readonly rates?: ReadonlyMap<string, RequestRate>;
}

/** A group of identities with its rules, in text. */
export interface GroupSettings {
  /** Identities; with a `*` at the end, all that begin so. */
  readonly members: readonly string[];
  readonly rules: readonly string[];
  /** How often each of them may ask. */
  readonly rate?: RequestRate;
}

/** What requests for some paths have to be. */
export interface ResourceDemand {
  readonly path: RulePath;
  readonly requires: RequiredProtection | undefined;
  readonly freshWithinSeconds: number | undefined;
}

/** What one path demands. */
export type Demand = Pick<ResourceDemand, 'requires' | 'freshWithinSeconds'>;

const nothing: Demand = { requires: undefined, freshWithinSeconds: undefined };

/** See the module comment. */
export class ConfiguredAccess {
  readonly #settings: AccessSettings;
  readonly #haveGroupsRates: boolean;
  /** Whether any path demands fresh requests. */
  readonly demandsFreshness: boolean;

  constructor(settings: AccessSettings = { identities: new Map(), groups: [], resources: [] }) {
    this.#settings = settings;
    this.#haveGroupsRates = settings.groups.some(({ rate }) => rate !== undefined);
    this.demandsFreshness = settings.resources.some(
      ({ freshWithinSeconds }) => freshWithinSeconds !== undefined,
    );
  }

  /** Whether an identity has rules of its own here, not only those of groups. */
  names(identity: string): boolean {
    return this.#settings.identities.has(identity);
  }

  /** What an identity may do. */
  rulesOf(identity: string): readonly Rule[] {
    const { identities, groups } = this.#settings;
    const joined = groups.filter(({ members }) => members.some((member) => isMember(member, identity)));
    return [...(identities.get(identity) ?? []), ...joined.flatMap(({ rules }) => rules)]
      .map((text) => ruleFor(text, identity))
      .filter((rule) => typeof rule !== 'string');
  }

  /** How often an identity may ask: what is said of itself, or else the most that one of its groups allows; undefined: nothing is said. */
  rateOf(identity: string): RequestRate | undefined {
    const { rates, groups } = this.#settings;
    const own = rates?.get(identity);
    if (own !== undefined || !this.#haveGroupsRates) return own;
    let most: RequestRate | undefined;
    for (const { members, rate } of groups) {
      if (rate === undefined || !members.some((member) => isMember(member, identity))) continue;
      if (most === undefined || rate.perSecond > most.perSecond) most = rate;
    }
    return most;
  }

  /** What requests for a path have to be. */
  demandOf(segments: readonly string[]): Demand {
    let demand = nothing;
    for (const { path, requires, freshWithinSeconds } of this.#settings.resources) {
      if (!pathCovers(path, segments)) continue;
      demand = {
        requires: stricter(demand.requires, requires),
        freshWithinSeconds: sooner(demand.freshWithinSeconds, freshWithinSeconds),
      };
    }
    return demand;
  }
}

/** The rule for one identity, or a sentence that says what is wrong with its text. */
export function ruleFor(text: string, identity: string): Rule | string {
  // Nothing in an identity may mean anything in a rule.
  return parseRule(text.replaceAll('{id}', encodeURIComponent(identity).replaceAll('*', '%2A')));
}

function isMember(member: string, identity: string): boolean {
  return member.endsWith('*') ? identity.startsWith(member.slice(0, -1)) : member === identity;
}

function stricter(
  one: RequiredProtection | undefined,
  other: RequiredProtection | undefined,
): RequiredProtection | undefined {
  if (one === undefined || one === other) return other;
  if (other === undefined || other === 'either') return one;
  return one === 'either' ? other : 'both';
}

function sooner(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
}
