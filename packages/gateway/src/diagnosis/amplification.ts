/**
 * The rule about amplification: much more sent to an address than came from it, before it proved that it is there (RFC 7252 §11.3).
 *
 * @module
 */

import { isRequestCode, isResponseCode, OptionNumber } from 'coapsule/message';
import { BoundedMap } from '../memory/bounded-map.ts';
import { type Finding, findingOf } from './finding.ts';
import type { Rule } from './rule.ts';
import { SeenFrames } from './seen-frames.ts';
import type { SeenPacket } from './seen-message.ts';

/** RFC 9175 §2.6 and QUIC alike: three times what came. */
const allowedFactor = 3;
/** Below, nobody is flooded. */
const leastBytes = 1000;

interface Peer {
  readonly server: string;
  received: number;
  sent: number;
  readonly frames: SeenFrames;
  isProved: boolean;
}

/** Bytes of plain CoAP, both ways, by client. */
export class AmplificationRule implements Rule {
  readonly #peers: BoundedMap<string, Peer>;

  constructor(most?: number) {
    this.#peers = new BoundedMap(most);
  }

  see({ messages }: SeenPacket): void {
    for (const { message, source, destination, isSecured, datagramLength, frame } of messages) {
      if (isSecured) continue;
      const { code, type, options } = message;
      if (isRequestCode(code)) {
        const peer = this.#peer(source, destination);
        peer.received += datagramLength;
        if (options.has(OptionNumber.Echo)) peer.isProved = true;
        // Whoever asks for the next block has read the one before.
        const block = options.uint(OptionNumber.Block2);
        if (block !== undefined && block >= 16) peer.isProved = true;
      } else if (isResponseCode(code)) {
        const peer = this.#peer(destination, source);
        if (peer.isProved) continue;
        peer.sent += datagramLength;
        peer.frames.add(frame);
      } else if (type === 'ACK' || type === 'RST') this.#peer(source, destination).isProved = true;
    }
  }

  findings(): readonly Finding[] {
    return [...this.#peers.values()].flatMap(({ server, received, sent, frames }) =>
      received === 0 || sent < leastBytes || sent <= received * allowedFactor
        ? []
        : findingOf('amplification', {
            where: server,
            frames: frames.first,
            evidence: `${sent} bytes were sent for ${received}, ${(sent / received).toFixed(1)} times as many`,
          }),
    );
  }

  #peer(client: string, server: string): Peer {
    return this.#peers.ensure(`${client} ${server}`, () => ({
      ...{ server, received: 0, sent: 0, frames: new SeenFrames(), isProved: false },
    }));
  }
}
