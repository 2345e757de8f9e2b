/**
 * A diagnosis: all rules over all packets, and what they found, the worst first.
 *
 * @module
 */

import type { LinkProfile } from 'coapsule/message';
import type { DecodedPacket } from '../decode/capture-decoder.ts';
import { AmplificationRule } from './amplification.ts';
import { AssociationRule } from './associations.ts';
import type { Finding, Severity } from './finding.ts';
import { MessageTypeRule } from './message-types.ts';
import { ObserverRule } from './observers.ts';
import { OscoreErrorRule } from './oscore-errors.ts';
import { ResponseRule } from './responses.ts';
import { RetransmissionRule } from './retransmissions.ts';
import type { Rule } from './rule.ts';
import { seenPacket } from './seen-message.ts';
import { SizeRule } from './sizes.ts';
import { TokenRule } from './tokens.ts';

/** An MTU of 1500 less the headers of IPv6 and UDP. */
const ethernetDatagram = 1452;

const order: readonly Severity[] = ['error', 'warning', 'advice'];

/** Sees the packets of a capture or of a line, in their order. */
export class Diagnosis {
  readonly #rules: readonly Rule[];

  /**
   * @param link What the link carries; by default what Ethernet and Wi-Fi do.
   * @param most Messages, paths and peers that each rule remembers, the newest; without it as many as a capture may need.
   */
  constructor(link: Pick<LinkProfile, 'mtu'> = { mtu: ethernetDatagram }, most?: number) {
    this.#rules = [
      new AssociationRule(most),
      new OscoreErrorRule(most),
      new TokenRule(most),
      new RetransmissionRule(most),
      new SizeRule(link, most),
      new ResponseRule(most),
      new ObserverRule(most),
      new MessageTypeRule(most),
      new AmplificationRule(most),
    ];
  }

  /** Looks at a packet. */
  see(packet: DecodedPacket): void {
    const seen = seenPacket(packet);
    for (const rule of this.#rules) rule.see(seen);
  }

  /** What was found so far. */
  findings(): readonly Finding[] {
    const all = this.#rules.flatMap((rule) => rule.findings());
    return all.sort((one, other) => order.indexOf(one.severity) - order.indexOf(other.severity));
  }
}
