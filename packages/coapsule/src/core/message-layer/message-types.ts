/**
 * Which message type may carry what: RFC 7252 §4.3, Table 1, and what §4.2 and §4.3 say about the rest.
 *
 * Does not look at tokens, options or payloads.
 *
 * @module
 */

import type { Code } from '../coap/code.ts';
import type { MessageType } from '../coap/message-view.ts';

/** What a message carries, told by its code alone; `reserved` is class 1, 6 or 7 (RFC 7252 §12.1). */
export type MessageContent = 'request' | 'response' | 'empty' | 'reserved';

/** `used` in normal operation, `ping` only to elicit a Reset, `unused` is to be rejected. */
export type MessageUsage = 'used' | 'ping' | 'unused';

/** RFC 7252 §4.3 Table 1, with the reserved classes of §4.2 as a fourth row. */
export const messageUsage: Readonly<Record<MessageType, Readonly<Record<MessageContent, MessageUsage>>>> = {
  CON: { request: 'used', response: 'used', empty: 'ping', reserved: 'unused' },
  NON: { request: 'used', response: 'used', empty: 'unused', reserved: 'unused' },
  ACK: { request: 'unused', response: 'used', empty: 'used', reserved: 'unused' },
  RST: { request: 'unused', response: 'unused', empty: 'used', reserved: 'unused' },
};

/**
 * How a message of each type is rejected.
 *
 * RFC 7252 §4.2: a CON with a matching Reset; ACK and RST MUST NOT be answered at all. §4.3 leaves the
 * choice for a NON; silence, because a Reset to a spoofed source helps only the spoofer.
 */
export const rejection: Readonly<Record<MessageType, 'reset' | 'silence'>> = {
  CON: 'reset',
  NON: 'silence',
  ACK: 'silence',
  RST: 'silence',
};

/** What a message with this code carries (RFC 7252 §12.1). `code` is 0 … 255. */
export function contentOf(code: Code): MessageContent {
  if (code === 0) return 'empty';
  switch (code >> 5) {
    case 0:
      return 'request';
    case 2:
    case 3: // No code of class 3 is assigned, but §12.1 counts 2.00 to 5.31 as responses.
    case 4:
    case 5:
      return 'response';
    default:
      return 'reserved';
  }
}
