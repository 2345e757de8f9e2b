/**
 * Verifying a response: from an OSCORE response to a CoAP response.
 *
 * RFC 8613 §8.4, §8.4.2, and the order of notifications of §4.1.3.5.2 and §7.4.1. Outer Block options are processed
 * before, by the caller (§8.4.1). A response without an OSCORE option is not for here: nobody vouches for it.
 *
 * @module
 */

import { codeText, isResponseCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { isDecodeFault } from '../foundation/errors.ts';
import { type OscoreOption, oscoreOptionOf } from './oscore-option.ts';
import { decodePartialIv, deriveNonce } from './partial-iv.ts';
import { type OscoreContent, openCiphertext } from './plaintext.ts';
import type { ClientBinding } from './request-binding.ts';
import { joinOptions } from './split-options.ts';

/** Why a response is not taken. An observation goes on all the same (RFC 8613 §8.4.2). */
export type ResponseFault =
  | 'malformed'
  | 'decryption-failed'
  /** A notification that nobody registered for. */
  | 'unexpected-notification'
  /** Not newer than one that was taken, or a second one with the nonce of the request. */
  | 'stale-notification'
  /** After the last response. */
  | 'already-answered'
  /** The context is closed. */
  | 'closed';

/** What became of a response. */
export type ResponseVerdict =
  /** `final: false` for a notification: more may come. */
  | { readonly kind: 'verified'; readonly response: OscoreContent; readonly final: boolean }
  | { readonly kind: 'discarded'; readonly fault: ResponseFault; readonly detail: string };

/**
 * Read the OSCORE option of a response.
 *
 * @param message A response with one or more OSCORE options.
 */
export function readResponseHeader({ options, payload }: OscoreContent): OscoreOption | string {
  const option = oscoreOptionOf(options);
  if (option === undefined) return 'expected one OSCORE option';
  // §2: an OSCORE message without payload is malformed.
  if (payload.length === 0) return 'no payload';
  return isDecodeFault(option) ? option.reason : option;
}

/**
 * Verify a response (RFC 8613 §8.4). Notifications that are taken get an Observe option of ours, 3 bytes at most, that
 * grows with each: their order is checked here, by their Partial IVs, and the Outer value counts for nothing (§4.1.3.5.2).
 *
 * @param message A response with the token of the request, and an OSCORE option.
 */
export function verifyResponse(binding: ClientBinding, message: OscoreContent): ResponseVerdict {
  const { context } = binding;
  if (context.closed) return discarded('closed', 'the context is closed');
  const header = readResponseHeader(message);
  if (typeof header === 'string') return discarded('malformed', header);
  // §7.4: only a single response is accepted, and of an observation none after its end.
  if (binding.answered) return discarded('already-answered', 'the request has its last response');
  const { partialIv } = header;
  const nonce =
    partialIv === undefined
      ? binding.requestNonce
      : deriveNonce(context.commonIv, context.recipientId, partialIv);
  const { aead, recipientKey: key } = context;
  const opened = openCiphertext(
    { aead, key, nonce, additionalData: binding.additionalData },
    message.payload,
  );
  if (opened === undefined) return discarded('decryption-failed', 'the ciphertext does not verify');
  if (isDecodeFault(opened)) return discarded('malformed', opened.reason);
  if (!isResponseCode(opened.code))
    return discarded('malformed', `the code inside is ${codeText(opened.code)}, no response`);
  // §4.1.3.7: nested use is not supported.
  if (opened.options.has(OptionNumber.Oscore)) return discarded('malformed', 'an OSCORE option inside');

  const response = { ...opened, options: joinOptions(opened.options, message.options) };
  if (!opened.options.has(OptionNumber.Observe)) {
    binding.answered = true;
    return { kind: 'verified', response, final: true };
  }
  // §4.1.3.5.2: processing stops.
  if (binding.request.observe !== 'register')
    return discarded('unexpected-notification', 'a notification for a request that is no registration');
  const stale = takeNotification(binding, partialIv);
  if (stale !== undefined) return discarded('stale-notification', stale);
  const options = OptionSet.from(response.options.entries());
  options.set(OptionNumber.Observe, context.numberNotification());
  return { kind: 'verified', response: { ...response, options }, final: false };
}

/**
 * Checks and updates the Notification Number (§7.4.1): a notification must be newer than all before it, and the one
 * without a Partial IV is the oldest.
 *
 * @returns why it is not taken.
 */
function takeNotification(binding: ClientBinding, partialIv: Uint8Array | undefined): string | undefined {
  const highest = binding.notificationNumber;
  if (partialIv === undefined) {
    if (binding.nonceSeen) return 'a second notification without a Partial IV';
    binding.nonceSeen = true;
    return highest === undefined ? undefined : 'the notification without a Partial IV came late';
  }
  const number = decodePartialIv(partialIv) as number;
  if (highest !== undefined && number <= highest) return `Partial IV ${number} is not above ${highest}`;
  binding.notificationNumber = number;
  return undefined;
}

function discarded(fault: ResponseFault, detail: string): ResponseVerdict {
  return { kind: 'discarded', fault, detail };
}
