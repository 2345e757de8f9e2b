/**
 * Messages as bytes, right and wrong ones, and the replies that belong to them.
 *
 * RFC 7252 §3. A right message comes from the library's encoder; this is for those that it refuses to make.
 *
 * @module
 */

import type { MessageType } from 'coapsule/message';

const types: readonly MessageType[] = ['CON', 'NON', 'ACK', 'RST'];

/** Parts of a message; nothing of it is checked. */
export interface MessageParts {
  /** 1 by default. */
  readonly version?: number;
  readonly type: MessageType;
  /** 0 … 255. */
  readonly code: number;
  readonly messageId: number;
  /** What the header says; by default the length of `token`. */
  readonly tokenLength?: number;
  readonly token?: Uint8Array;
  /** Options, payload marker and payload as they are. */
  readonly rest?: Uint8Array;
}

/** Header, token, rest. */
export function messageBytes({
  version = 1,
  type,
  code,
  messageId,
  token = new Uint8Array(0),
  tokenLength = token.length,
  rest = new Uint8Array(0),
}: MessageParts): Uint8Array {
  return Uint8Array.of(
    (version << 6) | (types.indexOf(type) << 4) | tokenLength,
    code,
    messageId >> 8,
    messageId & 255,
    ...token,
    ...rest,
  );
}

/** Of two random bytes. */
export function messageId(random: Uint8Array): number {
  return ((random[0] ?? 0) << 8) | (random[1] ?? 0);
}

/** The type in a header. */
export function messageTypeOf(bytes: Uint8Array): MessageType | undefined {
  return bytes.length < 4 ? undefined : types[((bytes[0] as number) >> 4) & 3];
}

/** Those acknowledgements and Resets that have the Message ID, and what carries the token. */
export function repliesTo(
  received: readonly Uint8Array[],
  id: number,
  token?: Uint8Array,
): readonly Uint8Array[] {
  return received.filter((bytes) => {
    const type = messageTypeOf(bytes);
    if (type === 'ACK' || type === 'RST') return messageId(bytes.subarray(2, 4)) === id;
    return (
      token !== undefined &&
      token.length > 0 &&
      bytes.length >= 4 + token.length &&
      token.every((byte, index) => bytes[4 + index] === byte)
    );
  });
}
