/**
 * Arbitrary lines for the property tests: packets, chunks and what may stand between frames.
 *
 * @module
 */

import fc from 'fast-check';
import type { LineDecoder, LineEvent } from '../../../src/core/serial/line-framing.ts';

/** A packet as the engines send it: 1 … 1,024 bytes, first byte of DTLS or CoAP; END and ESC are as frequent as can be. */
export const packets: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.integer({ min: 20, max: 127 }),
    fc.array(
      fc.oneof(fc.constantFrom(0xc0, 0xdb, 0xdc, 0xdd, 0xa9, 0x0a), fc.integer({ min: 0, max: 255 })),
      {
        maxLength: 1023,
      },
    ),
  )
  .map(([first, rest]) => Uint8Array.of(first, ...rest));

/** Gives bytes to a decoder in chunks of the lengths given, over and over; the events of all. */
export function receiveInChunks(
  decoder: LineDecoder,
  bytes: Uint8Array,
  lengths: readonly number[],
): LineEvent[] {
  const events: LineEvent[] = [];
  for (let offset = 0, i = 0; offset < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? bytes.length;
    events.push(...decoder.receive(bytes.subarray(offset, offset + length)));
    offset += length;
  }
  return events;
}

/** The packets among events, as hexadecimal text. */
export function packetsIn(events: readonly LineEvent[]): Uint8Array[] {
  return events.flatMap((event) => (event.kind === 'packet' ? [event.packet] : []));
}
