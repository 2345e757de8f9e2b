/**
 * What is observed at the endpoints of a thread, and at those of several together.
 */
import type { ServerObserver } from 'coapsule';

/** One resource that somebody observes. */
export interface ObservedResource {
  /** `/path` or `/path?query`. */
  readonly resource: string;
  readonly observers: number;
  /** The largest Observe value that was sent, or is about to be; null before the first. */
  readonly sequence: number | null;
}

/** Resources of a thread, or of all, in the list. */
const mostResources = 1000;

/** What has most observers first; 1,000 at most. */
export function observedResources(
  observers: readonly Pick<ServerObserver, 'resource' | 'sequence'>[],
): readonly ObservedResource[] {
  return together(observers.map(({ resource, sequence = null }) => ({ resource, observers: 1, sequence })));
}

/** The lists of several threads as one. */
export function together(lists: readonly ObservedResource[]): readonly ObservedResource[] {
  const resources = new Map<string, { observers: number; sequence: number | null }>();
  for (const { resource, observers, sequence } of lists) {
    const known = resources.get(resource) ?? { observers: 0, sequence: null };
    known.observers += observers;
    if (sequence !== null) known.sequence = Math.max(sequence, known.sequence ?? 0);
    resources.set(resource, known);
  }
  return [...resources]
    .map(([resource, known]) => ({ resource, ...known }))
    .sort((one, other) => other.observers - one.observers)
    .slice(0, mostResources);
}
