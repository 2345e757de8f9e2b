/**
 * Protecting a response: from a CoAP response to an OSCORE response.
 *
 * RFC 8613 §8.3 and §8.3.1. Errors of OSCORE itself are not protected: see `verify-request.ts`.
 *
 * @module
 */

import { Code, codeText, isResponseCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { encodeOscoreOption } from './oscore-option.ts';
import { deriveNonce, encodePartialIv } from './partial-iv.ts';
import { type OscoreContent, Plaintext, sealPlaintext } from './plaintext.ts';
import type { CannotProtect } from './protect-request.ts';
import type { ServerBinding } from './request-binding.ts';
import { splitResponseOptions } from './split-options.ts';

/** A response to send. */
export interface ProtectedResponse {
  readonly kind: 'protected';
  readonly message: OscoreContent;
}

/**
 * Protect a response (RFC 8613 §8.3): the first one to a request takes the request's nonce, each further one, such as a
 * notification, a Sender Sequence Number of the context (§8.3.1).
 *
 * @param response The original response; not changed, its values not copied.
 * @param kidContext For Appendix B.2 only (§5).
 * @throws ApiMisuseError for what is no response, is protected already, or is too long to be encrypted.
 */
export function protectResponse(
  binding: ServerBinding,
  response: OscoreContent,
  kidContext?: Uint8Array,
): ProtectedResponse | CannotProtect {
  if (!isResponseCode(response.code)) {
    throw new ApiMisuseError(`code is ${codeText(response.code)}; expected a response, 2.00 to 5.31`);
  }
  const { context } = binding;
  const { inner, outer } = splitResponseOptions(response.options);
  const plaintext = new Plaintext(context.aead, response.code, inner, response.payload);
  if (context.closed) return { kind: 'closed' };
  // §7.2.1: no more messages with this Sender Context, also not with the nonce of a request.
  if (context.exhausted) return { kind: 'exhausted' };

  let nonce = binding.takeRequestNonce();
  let partialIv: Uint8Array | undefined;
  if (nonce === undefined) {
    const sequence = context.takeSequenceNumber();
    if (sequence.kind === 'exhausted') return sequence;
    if (sequence.kind === 'reserve') return { kind: 'store-first', context, record: context.recordToStore };
    partialIv = encodePartialIv(sequence.number);
    nonce = deriveNonce(context.commonIv, context.senderId, partialIv);
  }
  const payload = sealPlaintext(
    { aead: context.aead, key: context.senderKey, nonce, additionalData: binding.additionalData },
    plaintext,
  );
  outer.add(OptionNumber.Oscore, encodeOscoreOption({ partialIv, kidContext }));
  // §4.1.3.5: as a cacheable response, which is what a proxy expects of a notification.
  const code = outer.has(OptionNumber.Observe) ? Code.Content : Code.Changed;
  return { kind: 'protected', message: { code, options: outer, payload } };
}
