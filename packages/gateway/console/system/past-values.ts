/**
 * What the gateway has kept of a quantity, for plots that begin before the page was opened.
 *
 * @module
 */

import { send } from '../gateway/api.ts';
import { numbersOf, type PastValue } from './live-board.ts';

/** How many are asked for. */
const mostPastValues = 1000;

/** The newest numbers of a path and name, the oldest first; none of what has no readings, or where they cannot be read now. */
export async function pastValues(
  path: string,
  name: string,
  signal: AbortSignal,
): Promise<readonly PastValue[]> {
  const outcome = await send('GET /api/history', {
    query: { path, name, order: 'newest', limit: mostPastValues, format: 'json' },
    signal,
  });
  return outcome.isOk ? numbersOf(await outcome.value.json(), name) : [];
}
