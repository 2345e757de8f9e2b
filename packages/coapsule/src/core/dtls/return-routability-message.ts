/**
 * Messages of the return routability check (RFC 9853 §4): a type and a cookie of 8 bytes.
 *
 * @module
 */

/** Types by name. */
export const PathMessageType = { Challenge: 0, Response: 1, Drop: 2 } as const;

/** One of the three types. */
export type PathMessageType = (typeof PathMessageType)[keyof typeof PathMessageType];

/** One message. */
export interface PathMessage {
  readonly type: PathMessageType;
  /** 8 bytes. */
  readonly cookie: Uint8Array;
}

/** Bytes of a cookie. */
export const pathCookieLength = 8;

/** The content of a record of type return_routability_check. */
export function encodePathMessage({ type, cookie }: PathMessage): Uint8Array {
  const content = new Uint8Array(1 + pathCookieLength);
  content[0] = type;
  content.set(cookie, 1);
  return content;
}

/**
 * Reads a message.
 *
 * @returns `unknown` for a type that is not of RFC 9853, to be ignored (§4).
 */
export function decodePathMessage(content: Uint8Array): PathMessage | 'unknown' | 'malformed' {
  const [type] = content;
  if (type === undefined) return 'malformed';
  if (type > PathMessageType.Drop) return 'unknown';
  if (content.length !== 1 + pathCookieLength) return 'malformed';
  return { type: type as PathMessageType, cookie: content.slice(1) };
}
