/**
 * Where the shell is: a server and a path of it, and what a name means from there.
 *
 * @module
 */

/** A server and a path. */
export interface ShellTarget {
  /** `coaps://host:5684`, without a slash at the end. */
  readonly origin: string;
  /** Begins with a slash. */
  readonly path: string;
}

/** What a URI names. The URI is known to be one; a query is no part of a place. */
export function targetOf(uri: string): ShellTarget {
  const [, origin = uri, path = ''] = /^([^:]+:\/\/[^/?]*)([^?]*)/.exec(uri) ?? [];
  return { origin, path: walked('/', path) };
}

/**
 * The URI that a name means: a URI itself, a path from the root, or one from where the shell is, with `.` and `..`; a query
 * may follow. Without a name it is the place itself.
 *
 * @returns nothing for a name that needs a place when there is none.
 */
export function resolved(place: ShellTarget | undefined, name = ''): string | undefined {
  if (name.includes('://')) return name;
  if (place === undefined) return undefined;
  const question = name.indexOf('?');
  const [path, query] = question < 0 ? [name, ''] : [name.slice(0, question), name.slice(question)];
  return `${place.origin}${walked(place.path, path)}${query}`;
}

/** A path from another one. A slash at the end stays: it is another resource (RFC 7252 §6.4). */
function walked(from: string, path: string): string {
  if (path === '') return from;
  const segments = path.startsWith('/') ? [] : from.split('/').slice(1);
  if (segments.at(-1) === '') segments.pop();
  const steps = path.replace(/^\//, '').split('/');
  for (const [index, step] of steps.entries()) {
    const isLast = index === steps.length - 1;
    if (step === '..') segments.pop();
    else if (step !== '.' && (step !== '' || isLast)) segments.push(step);
  }
  return `/${segments.join('/')}`;
}
