/**
 * What one device may do: methods on a path, or on everything below one.
 *
 * Text form `METHOD[,METHOD…]:PATH`, `*` for any method, a last segment `*` for everything below (not the path
 * itself). Paths are compared segment by segment as decoded from Uri-Path, so an escaped `/` or a `*` sent by a
 * device is an ordinary character. Who must be secured at all is decided in access.ts.
 */
import type { Method } from 'coapsule';

/** What a rule is about. */
export interface RulePath {
  readonly segments: readonly string[];
  /** Everything below `segments`, not `segments` itself. */
  readonly below: boolean;
}

/** One permission. */
export interface Rule extends RulePath {
  readonly methods: ReadonlySet<Method> | 'any';
}

const methods: readonly Method[] = ['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'IPATCH'];

/** @returns the rule, or a sentence that says what is wrong with the text. */
export function parseRule(text: string): Rule | string {
  const colon = text.indexOf(':');
  if (colon < 0) return `"${text}" is not METHOD:PATH, such as PUT:/sensors/7/*`;
  const names = text.slice(0, colon).toUpperCase().split(',');
  const unknown = names.find((name) => name !== '*' && !methods.includes(name as Method));
  if (unknown !== undefined) return `"${unknown}" is no CoAP method (${methods.join(', ')} or *)`;
  const path = parsePath(text.slice(colon + 1));
  if (typeof path === 'string') return path;
  return { methods: names.includes('*') ? 'any' : new Set(names as Method[]), ...path };
}

/** A path as rules have it, or a sentence that says what is wrong with the text. */
export function parsePath(path: string): RulePath | string {
  if (!path.startsWith('/')) return `the path "${path}" does not start with /`;
  const segments: string[] = [];
  for (const segment of path === '/' ? [] : path.slice(1).split('/')) {
    try {
      segments.push(decodeURIComponent(segment));
    } catch {
      return `the path "${path}" has a broken percent escape`;
    }
  }
  const below = path.endsWith('/*');
  if (below) segments.pop();
  // The decoded segment decides nothing here: only a literal * in the text is a wildcard.
  if (path.split('/').some((segment, index, all) => segment === '*' && index !== all.length - 1)) {
    return `the path "${path}" has a * that is not the last segment`;
  }
  return { segments, below };
}

/** The text form of a rule; `parseRule` gives the same rule back. */
export function ruleText(rule: Rule): string {
  const names = rule.methods === 'any' ? '*' : [...rule.methods].join(',');
  const segments = rule.segments.map((segment) => encodeURIComponent(segment).replaceAll('*', '%2A'));
  return `${names}:/${[...segments, ...(rule.below ? ['*'] : [])].join('/')}`;
}

/** Whether a rule covers this method on this path. */
export function ruleCovers(rule: Rule, method: Method, segments: readonly string[]): boolean {
  return (rule.methods === 'any' || rule.methods.has(method)) && pathCovers(rule, segments);
}

/** Whether the path of a rule covers this one. */
export function pathCovers({ segments, below }: RulePath, asked: readonly string[]): boolean {
  if (below ? asked.length <= segments.length : asked.length !== segments.length) return false;
  return segments.every((segment, index) => segment === asked[index]);
}

/**
 * What a device may do when nothing else was said: all with its own `/sensors/ID`, and `/sensor`.
 *
 * Reading what other devices sent is not among it: a reading may be about a person (see docs/decisions).
 */
export function defaultRules(id: string): readonly Rule[] {
  const own: ReadonlySet<Method> = new Set(['PUT', 'POST', 'GET']);
  return [
    { methods: own, segments: ['sensors', id], below: false },
    { methods: own, segments: ['sensors', id], below: true },
    { methods: own, segments: ['sensor'], below: false },
  ];
}
