/**
 * The Resource Directory as the console shows it: registrations with their lifetimes, and look-ups as a CoAP client gets them
 * (RFC 9176 §6), but of all links, link-local ones too.
 */
import type { Link, LinkAttribute } from 'coapsule/message';
import { findEndpoints, findResources, lookupOf } from '../directory/directory-lookup.ts';
import { locationOf, type Registration } from '../directory/registration.ts';
import type { ResourceDirectory } from '../directory/resource-directory.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { ApiFailure } from './api-failure.ts';
import type { LinkAttributeView, LinkView, RegistrationView } from './api-types.ts';
import type { Handlers } from './console-api.ts';
import { pageLimit } from './page.ts';

/** Links that one look-up shows. */
const mostLinks = 2000;

/** The handlers. */
export function directoryHandlers(
  directory: Pick<ResourceDirectory, 'current'>,
  clock: WallClock,
): Pick<Handlers, 'GET /api/directory' | 'GET /api/directory/lookup'> {
  return {
    'GET /api/directory': ({ query }) => {
      const limit = pageLimit(query);
      const { search = '', after = '' } = query;
      const wanted = search.toLowerCase();
      const all = [...directory.current()]
        .filter((one) => textOf(one).includes(wanted))
        .sort((one, other) => (one.id < other.id ? -1 : 1));
      const rest = all.filter(({ id }) => id > after);
      const registrations = rest.slice(0, limit).map(registrationView);
      return {
        registrations,
        next: rest.length > limit ? (registrations.at(-1)?.id ?? null) : null,
        ...{ total: all.length, nowMs: clock() },
      };
    },
    'GET /api/directory/lookup': ({ query: { kind = 'ep', query = '' } }) => {
      if (kind !== 'ep' && kind !== 'res') throw new ApiFailure('invalid', 'kind is ep or res');
      const lookup = lookupOf(query === '' ? [] : query.split('&').map(decoded));
      if (typeof lookup === 'string') throw new ApiFailure('invalid', lookup);
      const find = kind === 'ep' ? findEndpoints : findResources;
      const bounded = { ...lookup, count: Math.min(mostLinks, lookup.count ?? mostLinks) };
      return { kind, query, links: find(directory.current(), bounded).map(linkView) };
    },
  };
}

/** As the console's API has links. */
export function linkView({ target, attributes }: Link): LinkView {
  return { target, attributes: attributes.map(attributeView) };
}

function registrationView(registration: Registration): RegistrationView {
  const { id, name, sector, base, owner, lifetimeSeconds, expiresAtMs, attributes, links } = registration;
  return {
    ...{ id, location: locationOf(id), endpoint: name, sector, base: base.uri, owner: owner ?? null },
    ...{ lifetimeSeconds, expiresAtMs },
    attributes: attributes.map(attributeView),
    links: links.map(linkView),
  };
}

function attributeView([name, value]: LinkAttribute): LinkAttributeView {
  return { name, value: value ?? null };
}

function textOf({ name, sector, links }: Registration): string {
  return [name, sector, ...links.map(({ target }) => target)].join('\n').toLowerCase();
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ApiFailure('invalid', 'the query has a broken percent escape');
  }
}
