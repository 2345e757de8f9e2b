/**
 * Protecting a request: from a CoAP request to an OSCORE request.
 *
 * RFC 8613 §8.1; outer codes by §4.2 and §4.1.3.5.
 *
 * @module
 */

import { Code, codeText, isRequestCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import type { OptionReader } from '../coap/option-set.ts';
import { ApiMisuseError } from '../foundation/errors.ts';
import { encodeOscoreOption, maxIdentifierLength } from './oscore-option.ts';
import { encodePartialIv } from './partial-iv.ts';
import { type OscoreContent, Plaintext, sealPlaintext } from './plaintext.ts';
import { ClientBinding, type ObserveRequest } from './request-binding.ts';
import type { ContextRecord, SecurityContext } from './security-context.ts';
import { splitRequestOptions } from './split-options.ts';

/** Why nothing was protected. The message goes nowhere, and can be protected later or under another context. */
export type CannotProtect =
  /** Store `record`, call `context.stored(record)`, and try again (RFC 8613 §7.5). */
  | { readonly kind: 'store-first'; readonly context: SecurityContext; readonly record: ContextRecord }
  /** The Sender Sequence Numbers are used up: a new context is needed (§7.2.1). */
  | { readonly kind: 'exhausted' }
  /** `SecurityContext.close` was called. */
  | { readonly kind: 'closed' };

/** A request to send, and what its responses are verified with. */
export interface ProtectedRequest {
  readonly kind: 'protected';
  readonly message: OscoreContent;
  readonly binding: ClientBinding;
}

/**
 * Protect a request (RFC 8613 §8.1). Takes a Sender Sequence Number of the context.
 *
 * @param request The original request; not changed, its values not copied.
 * @param kidContext What the server needs besides the `kid` to find the context: its ID Context, as a rule (§5.1).
 * @throws ApiMisuseError for what is no request, is protected already, or is too long to be encrypted.
 */
export function protectRequest(
  context: SecurityContext,
  request: OscoreContent,
  kidContext?: Uint8Array,
): ProtectedRequest | CannotProtect {
  if (!isRequestCode(request.code)) {
    throw new ApiMisuseError(`code is ${codeText(request.code)}; expected a request, 0.01 to 0.31`);
  }
  const { inner, outer } = splitRequestOptions(request.options);
  // What can be wrong with the message is found before a number is taken.
  const plaintext = new Plaintext(context.aead, request.code, inner, request.payload);
  const kid = context.senderId;
  if (kid.length + (kidContext?.length ?? 0) > maxIdentifierLength) {
    throw new ApiMisuseError(
      `kidContext has ${kidContext?.length} bytes; expected at most ${maxIdentifierLength - kid.length}: use a shorter ID Context`,
    );
  }
  if (context.closed) return { kind: 'closed' };
  const sequence = context.takeSequenceNumber();
  if (sequence.kind === 'exhausted') return sequence;
  if (sequence.kind === 'reserve') return { kind: 'store-first', context, record: context.recordToStore };

  const partialIv = encodePartialIv(sequence.number);
  const observe = observeOf(request.options);
  const binding = new ClientBinding(context, { kid, partialIv, observe });
  const payload = sealPlaintext(
    {
      aead: context.aead,
      key: context.senderKey,
      nonce: binding.requestNonce,
      additionalData: binding.additionalData,
    },
    plaintext,
  );
  outer.add(OptionNumber.Oscore, encodeOscoreOption({ partialIv, kid, kidContext }));
  // §4.1.3.5: POST with Observe is not defined.
  const code = outer.has(OptionNumber.Observe) ? Code.Fetch : Code.Post;
  return { kind: 'protected', message: { code, options: outer, payload }, binding };
}

/** What a request asks for by its Observe option. */
export function observeOf(options: OptionReader): ObserveRequest | undefined {
  switch (options.uint(OptionNumber.Observe)) {
    case 0:
      return 'register';
    case 1:
      return 'deregister';
    default:
      return undefined;
  }
}
