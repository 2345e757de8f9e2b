/**
 * Fuzz target: a line of bytes in two different chunkings gives the same events, bounded memory, and packets that encode
 * to frames that read the same.
 *
 * @module
 */

import { concatBytes, fromHex, toHex } from '../../src/core/foundation/bytes.ts';
import { encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import type { LineEvent, LineFraming } from '../../src/core/serial/line-framing.ts';
import { plainSlip, rawReads } from '../../src/core/serial/plain-framings.ts';
import { slipmux } from '../../src/core/serial/slipmux.ts';

const capacity = 256;

const corpus: readonly Uint8Array[] = [
  'c0a940010000bc38c0',
  'c0a948656c6c6f20576f726c642149ffc0c0a940010000bc38c0',
  'c00a66726565206865617020323020 4b420ac0',
  'c0a94001dbc0a940db410000bc38c0',
  'c0160afefd0000000000000000000401020304c0',
]
  .map((text) => fromHex(text.replaceAll(' ', '')) as Uint8Array)
  .concat(concatBytes(encodeUtf8('I (30) boot: °C\r\n'), slipmux.encode(new Uint8Array(200).fill(0x40))));

/** What the fuzz driver runs. */
export const target: { name: string; corpus: readonly Uint8Array[]; run(input: Uint8Array): void } = {
  name: 'serial-line',
  corpus,
  run(input) {
    for (const framing of [slipmux, plainSlip]) {
      const whole = framing.decoder(capacity);
      const events = whole.receive(input);
      if (whole.peak > capacity) throw new Error('more in the buffer than it holds');
      const split = framing.decoder(capacity);
      const byteByByte: LineEvent[] = [];
      for (const byte of input) byteByByte.push(...split.receive(Uint8Array.of(byte)));
      if (describe(byteByByte) !== describe(events)) throw new Error('chunks change what is received');
      for (const event of events) checkPacket(framing, event);
    }
    for (const event of rawReads.decoder(capacity).receive(input)) checkPacket(rawReads, event);
  },
};

function checkPacket(framing: LineFraming, event: LineEvent): void {
  if (event.kind !== 'packet') return;
  const frame = framing.encode(event.packet);
  if (frame.length !== framing.encodedLength(event.packet)) throw new Error('not the length that was told');
  if (describe(framing.decoder(capacity).receive(frame)) !== describe([event])) {
    throw new Error('an encoded packet reads differently');
  }
}

function describe(events: readonly LineEvent[]): string {
  return events.map(describeOne).join('; ');
}

function describeOne(event: LineEvent): string {
  switch (event.kind) {
    case 'packet':
      return `packet ${toHex(event.packet)}`;
    case 'text':
      return `text ${event.text}`;
    case 'lost':
      return `${event.reason} ${event.length}`;
  }
}
