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
import { OscoreContextRule } from './oscore-contexts.ts';
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
  /** `ofAll`: it asks for nothing that only datagrams have, such as a Message ID. */
  readonly #rules: readonly { readonly rule: Rule; readonly ofAll?: true }[];

  /**
   * @param link What the link carries; by default what Ethernet and Wi-Fi do.
   * @param most Messages, paths and peers that each rule remembers, the newest; without it as many as a capture may need.
   */
  constructor(link: Pick<LinkProfile, 'mtu'> = { mtu: ethernetDatagram }, most?: number) {
    this.#rules = [
      { rule: new AssociationRule(most) },
      { rule: new OscoreErrorRule(most), ofAll: true },
      { rule: new OscoreContextRule(most), ofAll: true },
      { rule: new TokenRule(most), ofAll: true },
      { rule: new RetransmissionRule(most) },
      { rule: new SizeRule(link, most) },
      { rule: new ResponseRule(most), ofAll: true },
      { rule: new ObserverRule(most) },
      { rule: new MessageTypeRule(most) },
      { rule: new AmplificationRule(most) },
    ];
  }

  /** Looks at a packet. */
  see(packet: DecodedPacket): void {
    const seen = seenPacket(packet);
    const messages = seen.messages.filter(({ isReliable }) => !isReliable);
    const datagrams = messages.length === seen.messages.length ? seen : { ...seen, messages };
    for (const { rule, ofAll } of this.#rules) rule.see(ofAll ? seen : datagrams);
  }

  /** What was found so far. */
  findings(): readonly Finding[] {
    const all = this.#rules.flatMap(({ rule }) => rule.findings());
    return all.sort((one, other) => order.indexOf(one.severity) - order.indexOf(other.severity));
  }
}
