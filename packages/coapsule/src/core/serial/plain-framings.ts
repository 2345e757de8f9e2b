/**
 * The framings without a check sequence: plain SLIP (RFC 1055), and none at all.
 *
 * @module
 */

import { type LineDecoder, type LineEvent, type LineFraming, packetKind } from './line-framing.ts';
import { escapedLength, SlipDecoder, slipEnd, writeEscaped } from './slip.ts';

/** Packets in SLIP frames as they are, for peers that have no slipmux. Noise in a frame is not noticed. */
export const plainSlip: LineFraming = {
  name: 'slip',
  encode(packet) {
    const frame = new Uint8Array(2 + escapedLength(packet));
    frame[0] = slipEnd;
    frame[writeEscaped(packet, frame, 1)] = slipEnd;
    return frame;
  },
  encodedLength: (packet) => 2 + escapedLength(packet),
  worstCaseLength: (packetLength) => 2 + 2 * packetLength,
  bufferNeeded: (packetLength) => packetLength,
  decoder(bufferBytes): LineDecoder {
    const slip = new SlipDecoder({ capacity: bufferBytes });
    return {
      get peak() {
        return slip.peak;
      },
      reset: () => slip.reset(),
      receive: (chunk) =>
        slip.receive(chunk).map((event): LineEvent => {
          if (event.kind === 'broken') return { kind: 'lost', reason: event.reason, length: event.length };
          return packetOf(event.bytes);
        }),
    };
  },
};

/**
 * No framing: one read is one packet. It loses packets whenever the system splits or merges reads, as any serial driver
 * may. Only for talking to programs that do the same.
 */
export const rawReads: LineFraming = {
  name: 'raw',
  encode: (packet) => packet.slice(),
  encodedLength: (packet) => packet.length,
  worstCaseLength: (packetLength) => packetLength,
  bufferNeeded: (packetLength) => packetLength,
  decoder(bufferBytes): LineDecoder {
    let peak = 0;
    return {
      get peak() {
        return peak;
      },
      reset() {},
      receive(chunk) {
        const { length } = chunk;
        if (length === 0) return [];
        if (length > bufferBytes) return [{ kind: 'lost', reason: 'overrun', length }];
        peak = Math.max(peak, length);
        return [packetOf(chunk.slice())];
      },
    };
  },
};

function packetOf(packet: Uint8Array): LineEvent {
  return packetKind(packet) === undefined
    ? { kind: 'lost', reason: 'not-a-packet', length: packet.length }
    : { kind: 'packet', packet };
}
