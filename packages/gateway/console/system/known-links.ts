/**
 * What is known of the resources of servers from before: what they listed, and what was asked for and is there without being listed; in
 * this browser alone.
 *
 * @module
 */

import type { LinkView } from '../../src/console/api-types.ts';

/** A resource. */
export interface KnownLink extends LinkView {
  /** False: no discovery listed it, but it answered. */
  readonly isListed: boolean;
}

const key = 'coapsule.explorer.known';
const most = { servers: 20, links: 300 } as const;

/** `coap://192.0.2.7:5683`; undefined for what is no address. */
export function serverOf(uri: string): string | undefined {
  return /^[a-z+]+:\/\/[^/?#]+/i.exec(uri)?.[0];
}

/** The path of an address. */
export function pathOf(uri: string): string {
  return uri.slice(serverOf(uri)?.length ?? 0).replace(/[?#].*$/s, '') || '/';
}

/** Those of a server; none for one that nobody asked yet. */
export function knownLinks(server: string | undefined): readonly KnownLink[] {
  return server === undefined ? [] : (all().find(([one]) => one === server)?.[1] ?? []);
}

/** A server has listed these now. @returns all that is known of it. */
export function noteListed(server: string, links: readonly LinkView[]): readonly KnownLink[] {
  return keep(server, withListed(knownLinks(server), links));
}

/** A resource has answered. @param isThere False: it is gone. */
export function noteAsked(server: string, path: string, isThere: boolean): readonly KnownLink[] {
  return keep(server, withAsked(knownLinks(server), path, isThere));
}

/** Pure function. */
export function withListed(known: readonly KnownLink[], links: readonly LinkView[]): readonly KnownLink[] {
  const listed = new Set(links.map(({ target }) => target));
  return [
    ...links.map((link) => ({ ...link, isListed: true })),
    ...known.filter(({ target, isListed }) => !isListed && !listed.has(target)),
  ].slice(0, most.links);
}

/** Pure function. */
export function withAsked(known: readonly KnownLink[], path: string, isThere: boolean): readonly KnownLink[] {
  if (!isThere) return known.filter(({ target }) => target !== path);
  // What lists the others is none of them.
  if (path === '/.well-known/core' || known.some(({ target }) => target === path)) return known;
  return [...known, { target: path, attributes: [], isListed: false }].slice(-most.links);
}

type Kept = readonly (readonly [server: string, links: readonly KnownLink[]])[];

function keep(server: string, links: readonly KnownLink[]): readonly KnownLink[] {
  try {
    const others = all().filter(([one]) => one !== server);
    localStorage.setItem(key, JSON.stringify([[server, links], ...others].slice(0, most.servers)));
  } catch {
    // A browser that keeps nothing, or has no room, forgets this.
  }
  return links;
}

function all(): Kept {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(kept) ? kept.filter(isKept) : [];
  } catch {
    return [];
  }
}

function isKept(one: unknown): one is Kept[number] {
  const [server, links] = Array.isArray(one) ? (one as unknown[]) : [];
  return typeof server === 'string' && Array.isArray(links) && links.every(isKnown);
}

function isKnown(one: unknown): one is KnownLink {
  const { target, attributes, isListed } = (one ?? {}) as Partial<Record<keyof KnownLink, unknown>>;
  return (
    typeof target === 'string' &&
    typeof isListed === 'boolean' &&
    Array.isArray(attributes) &&
    attributes.every(
      (attribute: { readonly name?: unknown; readonly value?: unknown } | null) =>
        typeof attribute?.name === 'string' &&
        (attribute.value === null || typeof attribute.value === 'string'),
    )
  );
}
