/**
 * Durations as people say them. Pure functions.
 *
 * @module
 */

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const;

/** The two largest units of a duration, such as `2 h 5 min`. */
export function ago(seconds: number): string {
  const parts: string[] = [];
  let left = Math.max(0, Math.round(seconds));
  for (const [unit, length] of units) {
    const count = Math.floor(left / length);
    left -= count * length;
    if (count > 0 && parts.length < 2) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.length === 0 ? '0 s' : parts.join(' ');
}

/** From now to a time, or since it: `in 3 d`, `2 h ago`. */
export function until(ms: number): string {
  return ms >= 0 ? `in ${ago(ms / 1000)}` : `${ago(-ms / 1000)} ago`;
}
