/**
 * A WebSocket connection as it is seen on the wire: its handshake, its frames, and the messages in them (RFC 6455), for CoAP over
 * WebSocket (RFC 8323 §4). Extensions such as compression are not read.
 *
 * @module
 */

import { printable, printableUtf8 } from '../text/printable.ts';
import { type DecodedField, FieldReader, shortHex } from './decoded-field.ts';
import { WaitingBytes } from './waiting-bytes.ts';

/** What is whole with some bytes. */
export interface WebSocketUnit {
  readonly name: 'WebSocket handshake' | 'WebSocket frame';
  readonly bytes: Uint8Array;
  readonly fields: readonly DecodedField[];
  readonly summary: string;
  /** A message that ends with this frame. */
  readonly message?: Uint8Array;
}

/** Longest handshake of one side, and longest message. */
const longestHandshake = 16 * 1024;
const longestMessage = 1024 * 1024;

const opcodes: Readonly<Record<number, string>> = {
  0: 'continuation',
  1: 'text',
  2: 'binary',
  8: 'close',
  9: 'ping',
  10: 'pong',
};

/** Whether bytes begin as a handshake of either side does; undefined while there are too few. */
export function isWebSocket(bytes: Uint8Array): boolean | undefined {
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, 5));
  return ['GET /', 'HTTP/'].some((start) => start === text)
    ? true
    : bytes.length < 5 && ['GET /', 'HTTP/'].some((start) => start.startsWith(text))
      ? undefined
      : false;
}

/** One direction. */
export class WebSocketStream {
  readonly #rest = new WaitingBytes();
  #isOpen = false;
  #fragments: Uint8Array[] = [];
  #fragmentBytes = 0;
  /** Why nothing more is read: another protocol, damage, or bytes that are missing. */
  lost: string | undefined;

  /** @returns what is whole with these bytes. */
  feed(bytes: Uint8Array): readonly WebSocketUnit[] {
    const units: WebSocketUnit[] = [];
    this.#rest.push(bytes);
    while (this.lost === undefined && this.#rest.length > 0) {
      const unit = this.#isOpen ? this.#frame() : this.#handshake();
      if (unit === undefined) break;
      units.push(unit);
    }
    if (this.lost !== undefined) this.#rest.clear();
    return units;
  }

  #handshake(): WebSocketUnit | undefined {
    const { bytes } = this.#rest;
    const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('\r\n\r\n');
    if (end < 0 || end > longestHandshake) {
      if (bytes.length > longestHandshake) this.lost = 'a handshake without an end';
      return undefined;
    }
    const head = this.#rest.take(end + 4);
    const text = new TextDecoder('latin1').decode(head);
    let at = 0;
    const fields: DecodedField[] = [];
    for (const line of text.slice(0, -4).split('\r\n')) {
      const [, name = 'Start Line', value = line] = at === 0 ? [] : (/^([^:]+): *(.*)$/.exec(line) ?? []);
      fields.push({ name: printable(name), value: printable(value), start: at, end: at + line.length });
      at += line.length + 2;
    }
    const isUpgrade = /^(GET |HTTP\/1\.1 101)/.test(text) && /\r\nupgrade: *websocket\r\n/i.test(text);
    // RFC 8323 §4.1: the subprotocol is coap. Without it something else is spoken.
    const isCoap = /\r\nsec-websocket-protocol:[^\r]*\bcoap\b/i.test(text);
    if (!isUpgrade || !isCoap) this.lost = 'HTTP, and not for CoAP';
    this.#isOpen = true;
    const startLine = printable(fields[0]?.value ?? '', 100);
    return { name: 'WebSocket handshake', bytes: head, fields, summary: `WebSocket ${startLine}` };
  }

  #frame(): WebSocketUnit | undefined {
    const { bytes } = this.#rest;
    if (bytes.length < 2) return undefined;
    const [first, second] = [bytes[0]!, bytes[1]!];
    const short = second & 0x7f;
    const isMasked = (second & 0x80) !== 0;
    const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
    const headLength = 2 + extra + (isMasked ? 4 : 0);
    if (bytes.length < headLength) return undefined;
    const length =
      extra === 0 ? short : bytes.subarray(2, 2 + extra).reduce((value, byte) => value * 256 + byte, 0);
    if (length > longestMessage) {
      this.lost = `a frame of ${length} bytes`;
      return undefined;
    }
    if (bytes.length < headLength + length) return undefined;
    const whole = this.#rest.take(headLength + length);
    const reader = new FieldReader(whole);
    const opcode = first & 15;
    const name = opcodes[opcode] ?? `opcode ${opcode}`;
    reader.position = 1;
    reader.note('FIN', String(first >> 7), 0);
    const reserved = (first >> 4) & 7;
    reader.note(
      'Reserved',
      String(reserved),
      0,
      reserved === 0 ? undefined : 'an extension, which is not read',
    );
    reader.note('Opcode', name, 0);
    reader.position = 2;
    reader.note('Mask', isMasked ? '1' : '0', 1);
    reader.note('Payload length', String(short), 1);
    if (extra > 0) reader.uint('Extended payload length', extra === 8 ? 6 : 2);
    if (extra === 8) {
      // Six bytes of eight are a number that is exact; the two before them are 0, or the frame is too long.
      reader.position = 10;
    }
    const mask = isMasked ? reader.take('Masking-key', 4) : undefined;
    const payload = whole.slice(headLength);
    if (mask !== undefined) for (let at = 0; at < payload.length; at++) payload[at]! ^= mask[at & 3]!;
    if (length > 0) reader.take('Payload', length, () => payloadText(opcode, payload));
    const message = reserved === 0 && opcode < 8 ? this.#message(first >> 7 === 1, payload) : undefined;
    return {
      ...{ name: 'WebSocket frame' as const, bytes: whole, fields: reader.fields },
      summary: `WebSocket ${name}${opcode === 8 ? ` ${payloadText(opcode, payload)}` : ''}`,
      ...(message !== undefined && { message }),
    };
  }

  #message(isLast: boolean, payload: Uint8Array): Uint8Array | undefined {
    this.#fragments.push(payload);
    this.#fragmentBytes += payload.length;
    if (this.#fragmentBytes > longestMessage) this.lost = 'a message that is too long';
    if (!isLast) return undefined;
    const message = Uint8Array.from(Buffer.concat(this.#fragments));
    this.#fragments = [];
    this.#fragmentBytes = 0;
    return message;
  }
}

/** RFC 6455 §5.5.1: a close says why in two bytes, and perhaps in words. */
function payloadText(opcode: number, payload: Uint8Array): string {
  if (opcode !== 8 || payload.length < 2) return shortHex(payload);
  const words = printableUtf8(payload.subarray(2)) ?? '';
  return `${(payload[0]! << 8) | payload[1]!} ${words}`.trim();
}
