/**
 * Looking up endpoints and resources in the Resource Directory (RFC 9176 §6), as pure functions of what is registered.
 */
import { filterLinks, type Link } from 'coapsule/message';
import { resolvedLink } from './registered-links.ts';
import { locationOf, type Registration } from './registration.ts';

/** What a look-up asks for. */
export interface Lookup {
  /** Search criteria, such as `rt=light*`; a link is found that matches all. */
  readonly criteria: readonly string[];
  /** Undefined: all. */
  readonly count: number | undefined;
  /** From 0, of `count` links each. */
  readonly page: number;
}

/** @returns what the queries ask for, or a sentence that says what is wrong with them. */
export function lookupOf(queries: readonly string[]): Lookup | string {
  const paging: { page?: number; count?: number } = {};
  const criteria: string[] = [];
  for (const query of queries) {
    const [, name, value] = /^(page|count)(?:=(.*))?$/s.exec(query) ?? [];
    if (name !== 'page' && name !== 'count') {
      criteria.push(query);
      continue;
    }
    if (paging[name] !== undefined) return `${name} is there twice`;
    if (!/^\d{1,9}$/.test(value ?? '')) return `${name} is not a number`;
    paging[name] = Number(value);
  }
  const { page, count } = paging;
  // RFC 9176 §6.2: this parameter cannot be used without the count parameter.
  if (page !== undefined && count === undefined) return 'page needs count';
  return { criteria, count, page: page ?? 0 };
}

/** Links to the registrations that match (RFC 9176 §6.4). */
export function findEndpoints(registrations: Iterable<Registration>, lookup: Lookup): Link[] {
  const found: Link[] = [];
  for (const registration of registrations) {
    const endpoint = endpointLink(registration);
    const resources = lazily(() => resourceLinks(registration));
    const matches = (criterion: string): boolean =>
      fulfils(endpoint, criterion) ||
      (!isOfEndpoint(criterion) && resources().some((link) => fulfils(link, criterion)));
    if (lookup.criteria.every(matches)) found.push(endpoint);
  }
  return pageOf(found, lookup);
}

/** Links to the resources that match (RFC 9176 §6.1). */
export function findResources(registrations: Iterable<Registration>, lookup: Lookup): Link[] {
  const found: Link[] = [];
  for (const registration of registrations) {
    const endpoint = endpointLink(registration);
    // What the endpoint fulfils, all its links do.
    const left = lookup.criteria.filter((criterion) => !fulfils(endpoint, criterion));
    for (const link of resourceLinks(registration)) {
      if (left.every((criterion) => !isOfEndpoint(criterion) && fulfils(link, criterion))) found.push(link);
    }
  }
  return pageOf(found, lookup);
}

function resourceLinks({ links, base }: Registration): readonly Link[] {
  return links.map((link) => resolvedLink(link, base.uri));
}

/** The lifetime is not reported (RFC 9176 §6.4). */
function endpointLink({ id, name, sector, base, attributes }: Registration): Link {
  return {
    target: locationOf(id),
    attributes: [
      ['ep', name],
      ...(sector === '' ? [] : [['d', sector] as const]),
      ['base', base.uri],
      ['rt', 'core.rd-ep'],
      ...attributes,
    ],
  };
}

/**
 * Whether a criterion is about the endpoint alone. A link may have attributes of these names too, but who could be found under
 * another one's name by them would be taken for it (RFC 9176 §7.1).
 */
function isOfEndpoint(criterion: string): boolean {
  return /^(?:ep|d|base)(?:=|$)/.test(criterion);
}

function fulfils(link: Link, criterion: string): boolean {
  return filterLinks([link], [withoutAuthority(link, criterion)]).length > 0;
}

/** Registrations are asked for as a path, or as the URI that somebody made of it (RFC 9176 §6.2). */
function withoutAuthority({ target }: Link, criterion: string): string {
  const [, path] = /^href=coaps?(?:\+tcp|\+ws)?:\/\/[^/]*(\/.*)$/.exec(criterion) ?? [];
  return path !== undefined && target.startsWith('/') ? `href=${path}` : criterion;
}

function pageOf(found: Link[], { count, page }: Lookup): Link[] {
  return count === undefined ? found : found.slice(page * count, (page + 1) * count);
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
