/**
 * The answers that are kept over a restart for requests that must not be carried out again.
 *
 * @module
 */

import type { Code } from '../core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../core/coap/message-codec.ts';
import type { OptionReader } from '../core/coap/option-set.ts';
import { noBytes } from '../core/foundation/bytes.ts';
import type { SuppliedBody } from './body-input.ts';

/** An answer as it goes out. */
export interface Answer {
  readonly code: Code;
  readonly options: OptionReader;
  readonly payload: Uint8Array;
  /** Instead of the payload, read as it is sent. */
  readonly body?: SuppliedBody;
}

/** What a request that changes something answers is short; of a longer one only that it was carried out is kept. */
const maxKeptLength = 1024;

/** As a CoAP message without Message ID and token (RFC 7252 §3); `undefined` when it is too long. */
export function encodeAnswer({ code, options, payload, body }: Answer): Uint8Array | undefined {
  if (body !== undefined || payload.length > maxKeptLength) return undefined;
  const message = encodeMessage({ type: 'ACK', code, messageId: 0, token: noBytes, options, payload });
  return message.length > maxKeptLength ? undefined : message;
}

/** What `encodeAnswer` made; `undefined` when it is damaged. */
export function decodeAnswer(bytes: Uint8Array): Answer | undefined {
  const message = decodeMessage(bytes);
  if (isDecodeFault(message)) return undefined;
  const { code, options, payload } = message;
  return { code, options, payload };
}
