/**
 * Messages with nothing but a header (RFC 7252 §4.1): pings, acknowledgements and Resets.
 *
 * @module
 */

import { Code } from '../coap/code.ts';
import { encodeMessage } from '../coap/message-codec.ts';
import { OptionSet } from '../coap/option-set.ts';
import { noBytes } from '../foundation/bytes.ts';
import type { OutgoingMessage } from './message-layer-output.ts';

/** What an Empty message carries. */
export const emptyMessage: OutgoingMessage = {
  code: Code.Empty,
  token: noBytes,
  options: OptionSet.from([]),
  payload: noBytes,
};

/** An Empty message that answers the one with this Message ID. */
export function emptyDatagram(type: 'ACK' | 'RST', messageId: number): Uint8Array {
  return encodeMessage({ type, messageId, ...emptyMessage });
}
