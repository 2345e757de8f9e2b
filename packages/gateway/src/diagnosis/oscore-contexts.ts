/**
 * Rules about OSCORE with the contexts that were given: requests whose number was used before, and messages that a context does not
 * open (RFC 8613 §7.4, §8.2).
 *
 * @module
 */

import { BoundedMap } from '../memory/bounded-map.ts';
import type { Finding } from './finding.ts';
import { FoundFaults } from './found-faults.ts';
import type { Rule } from './rule.ts';
import type { SeenMessage, SeenPacket } from './seen-message.ts';

/** EXCHANGE_LIFETIME: the same message later is no retransmission (RFC 7252 §4.8.2). */
const lifetimeMs = 247_000;

/** What was opened, and what was not. */
export class OscoreContextRule implements Rule {
  /** Messages by their sender and Message ID: a retransmission has the number of the first transmission, and may. */
  readonly #sent: BoundedMap<string, SeenMessage>;
  readonly #found = new FoundFaults();

  constructor(most?: number) {
    this.#sent = new BoundedMap(most);
  }

  see({ messages }: SeenPacket): void {
    for (const seen of messages) {
      const { oscore, where, frame } = seen;
      if (oscore === undefined) continue;
      if (oscore.kind === 'closed') {
        const { cause, detail } = oscore;
        // Of what began before the capture nobody can tell.
        if (cause === 'no-context' || cause === 'not-authentic')
          this.#found.note(
            'oscore-context-mismatch',
            where,
            [frame],
            `frame ${frame} stays closed: ${detail}`,
          );
        continue;
      }
      const isCopy = this.#isCopy(seen);
      if (!oscore.isReplay || isCopy) continue;
      this.#found.note(
        'oscore-replay',
        where,
        [frame],
        `frame ${frame} is a request of ${oscore.context} with the number ${oscore.sequenceNumber}, which came before`,
      );
    }
  }

  findings(): readonly Finding[] {
    return this.#found.findings();
  }

  /** RFC 7252 §4.2: a message with the same Message ID and the same bytes. */
  #isCopy(seen: SeenMessage): boolean {
    if (seen.isReliable) return false;
    const key = `${seen.conversation} ${seen.sender} ${seen.outer.messageId}`;
    const before = this.#sent.get(key);
    if (
      before !== undefined &&
      seen.atMs - before.atMs < lifetimeMs &&
      Buffer.compare(before.bytes, seen.bytes) === 0
    )
      return true;
    this.#sent.set(key, seen);
    return false;
  }
}
