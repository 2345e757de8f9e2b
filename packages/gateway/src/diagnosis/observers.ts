/**
 * The rule about observers that are gone: notifications that are answered with a Reset, or never (RFC 7641 §3.6, §4.5).
 *
 * @module
 */

import { isResponseCode, OptionNumber } from 'coapsule/message';
import { BoundedMap } from '../memory/bounded-map.ts';
import { hexText } from '../text/hex.ts';
import { type Finding, findingOf } from './finding.ts';
import type { Rule } from './rule.ts';
import { SeenFrames } from './seen-frames.ts';
import type { SeenMessage, SeenPacket } from './seen-message.ts';

/** Notifications in a row that stay without an answer. One is a loss. */
const leastUnanswered = 3;
/** A Reset ends an observation (RFC 7641 §3.6): a notification after it means that it did not. */
const leastAfterReset = 1;

interface Observation {
  readonly where: string;
  readonly unanswered: SeenFrames;
  resetFrame: number | undefined;
  readonly afterReset: SeenFrames;
}

/** Notifications and what comes back. */
export class ObserverRule implements Rule {
  readonly #observations: BoundedMap<string, Observation>;
  /** By Message ID, for acknowledgements and Resets. */
  readonly #sent: BoundedMap<string, Observation>;

  constructor(most?: number) {
    this.#observations = new BoundedMap(most);
    this.#sent = new BoundedMap(most);
  }

  see({ messages }: SeenPacket): void {
    for (const seen of messages) {
      if (seen.message.type === 'ACK' || seen.message.type === 'RST') this.#answer(seen);
      // The first one is the answer to the registration, and mostly an ACK itself.
      if (isResponseCode(seen.message.code) && seen.message.options.has(OptionNumber.Observe)) {
        this.#notification(seen);
      }
    }
  }

  findings(): readonly Finding[] {
    return [...this.#observations.values()].flatMap(({ where, unanswered, resetFrame, afterReset }) => {
      if (resetFrame !== undefined && afterReset.count >= leastAfterReset) {
        return findingOf('observer-gone', {
          where,
          frames: [resetFrame, ...afterReset.first],
          count: afterReset.count,
          evidence: `frame ${resetFrame} rejects a notification, and ${afterReset.count} more follow`,
        });
      }
      if (unanswered.count < leastUnanswered) return [];
      return findingOf('observer-gone', {
        where,
        frames: unanswered.first,
        count: unanswered.count,
        evidence: `${unanswered.count} Confirmable notifications in a row have no acknowledgement`,
      });
    });
  }

  #notification(seen: SeenMessage): void {
    const { message, conversation, sender, where } = seen;
    if (message.type !== 'CON' && message.type !== 'NON') return;
    const observation = this.#observations.ensure(
      `${conversation} ${sender} ${hexText(message.token)}`,
      (): Observation => ({
        ...{ where, unanswered: new SeenFrames(), resetFrame: undefined, afterReset: new SeenFrames() },
      }),
    );
    const key = `${conversation} ${sender} ${message.messageId}`;
    // A copy of one that is on its way is no notification of its own.
    const isCopy = this.#sent.get(key) === observation;
    this.#sent.set(key, observation);
    if (isCopy) return;
    if (observation.resetFrame !== undefined) observation.afterReset.add(seen.frame);
    else if (message.type === 'CON') observation.unanswered.add(seen.frame);
  }

  #answer(seen: SeenMessage): void {
    const { message, conversation, receiver } = seen;
    const observation = this.#sent.get(`${conversation} ${receiver} ${message.messageId}`);
    if (observation === undefined) return;
    if (message.type === 'RST') observation.resetFrame ??= seen.frame;
    else observation.unanswered.clear();
  }
}
