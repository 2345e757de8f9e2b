/**
 * What OSCORE adds to a message on the wire, counted without keys: by the rules that protect it, not by a table.
 *
 * RFC 8613 §4.1 (which options move inside), §5.3 (the code goes inside too), §6.1 (Partial IV, kid and kid context in the option).
 * Pure function.
 *
 * @module
 */

import { isRequestCode } from '../coap/code.ts';
import { encodedLength } from '../coap/message-codec.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { noBytes } from '../foundation/bytes.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { coseAead, defaultAead, type OscoreAead } from './cose-algorithms.ts';
import { encodeOscoreOption } from './oscore-option.ts';
import { encodePartialIv, sequenceEnd } from './partial-iv.ts';
import { type OscoreContent, Plaintext } from './plaintext.ts';
import { splitRequestOptions, splitResponseOptions } from './split-options.ts';

/** How a message is protected, as far as bytes depend on it. */
export interface OscoreSending {
  /** `AES-CCM-16-64-128`, with a tag of 8 bytes, by default. */
  readonly aead?: OscoreAead;
  /** Sender Sequence Number. Of a request 0 by default; a response has none by default, but takes the nonce of its request (§8.3). */
  readonly sequenceNumber?: number;
  /** Bytes of the Sender ID, which a request carries; 0 by default. */
  readonly senderIdLength?: number;
  /** Bytes of the kid context; there is none by default. */
  readonly kidContextLength?: number;
}

/**
 * Bytes that a message has more when OSCORE protects it: `protectRequest` and `protectResponse` make it as much longer.
 *
 * @param message The original one, a request or a response. With a short path and one byte of Sender ID 14 bytes for a request and 11
 *                for its response.
 * @throws ApiMisuseError for what cannot be protected: an OSCORE option in it, a number or ID that is too long.
 */
export function oscoreOverhead(message: OscoreContent, sending: OscoreSending = {}): number {
  const isRequest = isRequestCode(message.code);
  const { aead: name = defaultAead, senderIdLength = 0, kidContextLength } = sending;
  const aead = coseAead(name);
  if (aead === undefined) throw new ApiMisuseError(`aead is "${name}"; expected one of oscoreAeads`);
  const number = sending.sequenceNumber ?? (isRequest ? 0 : undefined);
  if (number !== undefined && !(Number.isInteger(number) && number >= 0 && number < sequenceEnd)) {
    throw new ApiMisuseError(`sequenceNumber is ${number}; expected a whole number of 0 to 2^40 - 1`);
  }
  const { inner, outer } = (isRequest ? splitRequestOptions : splitResponseOptions)(message.options);
  const sealed = new Plaintext(aead, message.code, inner, message.payload).length + aead.tagLength;
  const value = encodeOscoreOption({
    partialIv: number === undefined ? undefined : encodePartialIv(number),
    kid: isRequest ? new Uint8Array(senderIdLength) : undefined,
    kidContext: kidContextLength === undefined ? undefined : new Uint8Array(kidContextLength),
  });
  outer.add(OptionNumber.Oscore, value);
  return (
    encodedLength({ token: noBytes, options: outer, payload: new Uint8Array(sealed) }) -
    encodedLength({ token: noBytes, options: message.options, payload: message.payload })
  );
}
