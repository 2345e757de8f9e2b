/**
 * The addresses that were asked before, the newest first; in this browser alone.
 *
 * @module
 */

const key = 'coapsule.explorer.history';
const most = 30;

/** All of them. */
export function remembered(): readonly string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(kept) ? kept.filter((one): one is string => typeof one === 'string') : [];
  } catch {
    return [];
  }
}

/** Adds one. @returns all of them. */
export function remember(uri: string): readonly string[] {
  const kept = withNewest(remembered(), uri);
  try {
    localStorage.setItem(key, JSON.stringify(kept));
  } catch {
    // A browser that keeps nothing forgets this too.
  }
  return kept;
}

/** @returns what is left: nothing. */
export function forgetAddresses(): readonly string[] {
  try {
    localStorage.removeItem(key);
  } catch {
    // A browser that keeps nothing has nothing to forget.
  }
  return [];
}

/** The list with one at its head, once, and no longer than it may be. Pure function. */
export function withNewest(list: readonly string[], uri: string): readonly string[] {
  return [uri, ...list.filter((one) => one !== uri)].slice(0, most);
}
