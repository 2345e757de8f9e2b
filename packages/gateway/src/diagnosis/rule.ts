/**
 * A rule of the diagnosis: sees all packets in their order, then says what it found.
 *
 * @module
 */

import type { Finding } from './finding.ts';
import type { SeenPacket } from './seen-message.ts';

/** One rule, with what it remembers. */
export interface Rule {
  see(packet: SeenPacket): void;
  findings(): readonly Finding[];
}
