/**
 * Requests that somebody has given a name: their inputs, as the address has them, so without any key; in this browser alone.
 *
 * @module
 */

const key = 'coapsule.explorer.saved';
const most = 100;

/** One. */
export interface SavedRequest {
  readonly name: string;
  /** The query of the address, with its question mark. */
  readonly search: string;
}

/** All of them, by name. */
export function savedRequests(): readonly SavedRequest[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(kept) ? kept.filter(isSaved) : [];
  } catch {
    return [];
  }
}

/** Keeps one, in the place of another one of its name. @returns all of them. */
export function saveRequest(request: SavedRequest): readonly SavedRequest[] {
  return keep(withSaved(savedRequests(), request));
}

/** @returns those that are left. */
export function forgetRequest(name: string): readonly SavedRequest[] {
  return keep(savedRequests().filter((one) => one.name !== name));
}

/** The list with one more, by name, and no longer than it may be. Pure function. */
export function withSaved(list: readonly SavedRequest[], request: SavedRequest): readonly SavedRequest[] {
  return [...list.filter(({ name }) => name !== request.name), request]
    .slice(-most)
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

function keep(list: readonly SavedRequest[]): readonly SavedRequest[] {
  try {
    localStorage.setItem(key, JSON.stringify(list));
  } catch {
    // A browser that keeps nothing forgets this too.
  }
  return list;
}

function isSaved(one: unknown): one is SavedRequest {
  const { name, search } = (one ?? {}) as Partial<Record<keyof SavedRequest, unknown>>;
  return typeof name === 'string' && typeof search === 'string' && /^(?:\?|$)/.test(search);
}
