/**
 * slipmux (draft-bormann-t2trg-slipmux): CoAP messages with a check sequence, diagnostic text and console output on one line.
 *
 * | first byte | frame | here |
 * |---|---|---|
 * | A9 | CoAP message, then FCS-16 | packet |
 * | A9 | DTLS records, then FCS-16 | packet: our extension. A peer without it ignores the frame, for it is no CoAP of version 1 |
 * | 0A | diagnostic text | text, line by line |
 * | 45 … 4F, 60 … 6F | IP packet | text where it is that, else lost: `ip-packet` |
 * | any other | console output, or noise | text where it is that, else lost: `noise` |
 *
 * Console output needs no frame: what stands between frames and is text is told as text, each line as it ends.
 *
 * @module
 */

import { decodeUtf8 } from '../foundation/utf8.ts';
import { fcs16Add, fcs16Start, fcs16Value, hasGoodFcs16 } from './fcs-16.ts';
import { type LineDecoder, type LineEvent, type LineFraming, packetKind } from './line-framing.ts';
import { escapedLength, SlipDecoder, type SlipEvent, slipEnd, writeEscaped } from './slip.ts';

/** First byte of a frame that has a CoAP message, or DTLS records (§5). */
const coapFrame = 0xa9;
const fcsLength = 2;

/** The framing of draft-bormann-t2trg-slipmux with DTLS records in frames of CoAP. */
export const slipmux: LineFraming = {
  name: 'slipmux',
  encode(packet) {
    const fcs = frameCheck(packet);
    // §6: END before and after each frame.
    const frame = new Uint8Array(3 + escapedLength(packet) + escapedLength(fcs));
    frame[0] = slipEnd;
    frame[1] = coapFrame;
    const end = writeEscaped(fcs, frame, writeEscaped(packet, frame, 2));
    frame[end] = slipEnd;
    return frame;
  },
  encodedLength: (packet) => 3 + escapedLength(packet) + escapedLength(frameCheck(packet)),
  worstCaseLength: (packetLength) => 3 + 2 * (packetLength + fcsLength),
  bufferNeeded: (packetLength) => 1 + packetLength + fcsLength,
  decoder: (bufferBytes) => new SlipmuxDecoder(bufferBytes),
};

class SlipmuxDecoder implements LineDecoder {
  readonly #slip: SlipDecoder;

  constructor(bufferBytes: number) {
    this.#slip = new SlipDecoder({ capacity: bufferBytes, isText });
  }

  get peak(): number {
    return this.#slip.peak;
  }

  receive(chunk: Uint8Array): LineEvent[] {
    const events: LineEvent[] = [];
    for (const event of this.#slip.receive(chunk)) {
      const meaning = meaningOf(event);
      if (meaning !== undefined) events.push(meaning);
    }
    return events;
  }

  reset(): void {
    this.#slip.reset();
  }
}

/** `undefined` for a line without text. */
function meaningOf(event: SlipEvent): LineEvent | undefined {
  if (event.kind === 'broken') return { kind: 'lost', reason: event.reason, length: event.length };
  const { bytes } = event;
  const { length } = bytes;
  if (bytes[0] !== coapFrame) return textOf(bytes);
  // §5: messages with incorrect CRCs are silently discarded.
  if (!hasGoodFcs16(bytes)) return { kind: 'lost', reason: 'crc', length };
  const packet = bytes.subarray(1, length - fcsLength);
  return packetKind(packet) === undefined
    ? { kind: 'lost', reason: 'not-a-packet', length }
    : { kind: 'packet', packet };
}

function textOf(bytes: Uint8Array): LineEvent | undefined {
  const text = bytes.every((byte) => isText(byte, false)) ? decodeUtf8(bytes) : undefined;
  if (text === undefined) {
    const reason = startsIpPacket(bytes[0] as number) ? 'ip-packet' : 'noise';
    return { kind: 'lost', reason, length: bytes.length };
  }
  const line = text.replace(/^[\r\n]+|[\r\n]+$/g, '');
  return line === '' ? undefined : { kind: 'text', text: line };
}

/**
 * No control characters but tab, line ends, backspace and the escape of terminal colours; bytes from 80 on may be UTF-8, and
 * A9 cannot begin it.
 */
function isText(byte: number, isFirst: boolean): boolean {
  if (byte >= 0x20) return byte !== 0x7f && !(isFirst && byte === coapFrame);
  return (byte >= 0x08 && byte <= 0x0a) || byte === 0x0d || byte === 0x1b;
}

/** §3. */
function startsIpPacket(first: number): boolean {
  return (first >= 0x45 && first <= 0x4f) || (first >= 0x60 && first <= 0x6f);
}

/** §5: over the byte A9 and the packet. */
function frameCheck(packet: Uint8Array): Uint8Array {
  let register = fcs16Add(fcs16Start, coapFrame);
  for (const byte of packet) register = fcs16Add(register, byte);
  const value = fcs16Value(register);
  return Uint8Array.of(value & 0xff, value >> 8);
}
