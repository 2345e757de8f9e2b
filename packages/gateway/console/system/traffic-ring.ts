/**
 * The messages that the traffic view keeps: in their order, each once, bounded. Pure function.
 *
 * @module
 */

import type { TrafficMessage } from '../../src/console/api-types.ts';

/** Messages that are kept. */
export const mostMessages = 5000;

/** The messages with more of them; those that are there already are not taken again. */
export function withMessages(
  kept: readonly TrafficMessage[],
  more: readonly TrafficMessage[],
): readonly TrafficMessage[] {
  const last = kept.at(-1)?.number ?? -1;
  // Mostly all of them are newer. What the list and the stream both have is passed over.
  if (more.every(({ number }, at) => number > (more[at - 1]?.number ?? last))) {
    return [...kept, ...more].slice(-mostMessages);
  }
  const byNumber = new Map([...more, ...kept].map((message) => [message.number, message]));
  return [...byNumber.values()].sort((one, other) => one.number - other.number).slice(-mostMessages);
}
