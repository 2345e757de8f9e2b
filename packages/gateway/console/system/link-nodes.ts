/**
 * Links by the segments of their paths, and their attributes as text. Pure functions.
 *
 * @module
 */

import type { LinkView } from '../../src/console/api-types.ts';

/** One segment, what is at it, and what is below it. */
export interface LinkNode {
  readonly segment: string;
  readonly link: LinkView | undefined;
  readonly children: readonly LinkNode[];
}

/** The attributes of a link in one line. */
export function attributesText({ attributes }: Pick<LinkView, 'attributes'>): string {
  return attributes.map(({ name, value }) => (value === null ? name : `${name}=${value}`)).join('; ');
}

/** Those that the tree does not show in another way, in one line. */
export function otherAttributes({ attributes }: Pick<LinkView, 'attributes'>): string {
  const elsewhere = new Set(['obs', 'ct', 'title', 'sz']);
  return attributesText({ attributes: attributes.filter(({ name }) => !elsewhere.has(name)) });
}

/** Levels of the tree: what a device has below them stands in one piece, however many there are. */
const mostLevels = 16;

/** The tree; targets of other servers stand in it whole. */
export function linkTree(links: readonly LinkView[]): readonly LinkNode[] {
  return nodesOf(
    links.map((link) => ({
      link,
      segments: link.target.startsWith('/') ? segmentsOf(link.target.slice(1)) : [link.target],
    })),
  );
}

interface Entry {
  readonly link: LinkView;
  readonly segments: readonly string[];
}

function segmentsOf(path: string): readonly string[] {
  const segments = path.split('/');
  if (segments.length <= mostLevels) return segments;
  return [...segments.slice(0, mostLevels - 1), segments.slice(mostLevels - 1).join('/')];
}

function nodesOf(entries: readonly Entry[]): readonly LinkNode[] {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const [first = ''] = entry.segments;
    groups.set(first, [...(groups.get(first) ?? []), entry]);
  }
  return [...groups].map(([segment, group]) => ({
    segment,
    link: group.find(({ segments }) => segments.length === 1)?.link,
    children: nodesOf(
      group
        .filter(({ segments }) => segments.length > 1)
        .map(({ link, segments }) => ({ link, segments: segments.slice(1) })),
    ),
  }));
}
