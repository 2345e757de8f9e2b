/**
 * Verifying a request: from an OSCORE request to a CoAP request, or to the answer that refuses it.
 *
 * RFC 8613 §8.2, the errors of §7.4 and §8.2, Appendix B.1.2 (a Replay Window that was lost). Outer Block options are
 * processed before, by the caller (§8.2.1). Who has the context is in `context-lookup.ts`.
 *
 * @module
 */

import { Code, codeText, isRequestCode } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import { OptionSet } from '../coap/option-set.ts';
import { equalBytesConstantTime, noBytes } from '../foundation/bytes.ts';
import { isDecodeFault } from '../foundation/errors.ts';
import { decodeUtf8, encodeUtf8 } from '../foundation/utf8.ts';
import { oscoreOptionOf } from './oscore-option.ts';
import { decodePartialIv } from './partial-iv.ts';
import { type OscoreContent, openCiphertext } from './plaintext.ts';
import { observeOf } from './protect-request.ts';
import { type RequestInput, requestInput, ServerBinding } from './request-binding.ts';
import type { ContextRecord, SecurityContext } from './security-context.ts';
import { joinOptions } from './split-options.ts';

/** Why a request is refused (RFC 8613 §8.2 steps 2, 3 and 6); `too-many-runs`: strangers ask for too much (Appendix B.2.1). */
export type RequestFault =
  | 'malformed'
  | 'context-not-found'
  | 'replay'
  | 'decryption-failed'
  | 'too-many-runs';

/** A request that goes no further. */
export interface RefusedRequest {
  readonly kind: 'refused';
  readonly fault: RequestFault;
  /** For traces only. */
  readonly detail: string;
}

/** The header of an OSCORE request. */
export interface RequestHeader {
  readonly kind: 'header';
  readonly kid: Uint8Array;
  readonly kidContext: Uint8Array | undefined;
  /** 1 … 5 bytes, as received. */
  readonly partialIv: Uint8Array;
  /** The number it stands for. */
  readonly sequenceNumber: number;
}

/** What became of a request. */
export type RequestVerdict =
  /** For the application, at once. */
  | { readonly kind: 'verified'; readonly request: OscoreContent; readonly binding: ServerBinding }
  /**
   * For the application once `record` is stored and `context.stored(record)` is called. If it cannot be stored, `binding`
   * protects the answer that says so; the request is not carried out.
   */
  | {
      readonly kind: 'store-first';
      readonly request: OscoreContent;
      readonly binding: ServerBinding;
      readonly record: ContextRecord;
    }
  /** Not carried out: `answer` asks for a proof that it is fresh, protected with `binding` (Appendix B.1.2). */
  | { readonly kind: 'challenged'; readonly binding: ServerBinding; readonly answer: OscoreContent }
  | RefusedRequest;

/**
 * Read the header of an OSCORE request: `kid` and Partial IV must be there, and a payload (RFC 8613 §2, §5).
 *
 * @param message A request with one or more OSCORE options.
 */
export function readRequestHeader({ options, payload }: OscoreContent): RequestHeader | RefusedRequest {
  const option = oscoreOptionOf(options);
  if (option === undefined) return malformed('expected one OSCORE option');
  if (payload.length === 0) return malformed('no payload');
  if (isDecodeFault(option)) return malformed(option.reason);
  const { kid, partialIv, kidContext } = option;
  const sequenceNumber = partialIv === undefined ? undefined : decodePartialIv(partialIv);
  if (kid === undefined) return malformed('no kid');
  if (partialIv === undefined || sequenceNumber === undefined) return malformed('no Partial IV');
  return { kind: 'header', kid, kidContext, partialIv, sequenceNumber };
}

/**
 * Verify a request (RFC 8613 §8.2 steps 3 to 7). Changes the Replay Window of the context it belongs to, and that only.
 *
 * @param contexts Those that the header may mean; tried one after the other (§3.3). The caller bounds their number.
 */
export function verifyRequest(
  message: OscoreContent,
  header: RequestHeader,
  contexts: Iterable<SecurityContext>,
): RequestVerdict {
  let refusal: RefusedRequest = {
    kind: 'refused',
    fault: 'context-not-found',
    detail: 'no context has this kid and kid context',
  };
  for (const context of contexts) {
    if (context.closed) continue;
    const verdict = verifyUnder(context, message, header);
    if (verdict.kind !== 'refused') return verdict;
    // A replay of one context's request decrypts under no other: it is what the client should know.
    if (refusal.fault !== 'replay') refusal = verdict;
  }
  return refusal;
}

function verifyUnder(
  context: SecurityContext,
  message: OscoreContent,
  header: RequestHeader,
): RequestVerdict {
  const { sequenceNumber } = header;
  const replay = context.window.verdict(sequenceNumber);
  if (replay === 'replay') {
    return { kind: 'refused', fault: 'replay', detail: `Partial IV ${sequenceNumber} was received before` };
  }
  const input = requestInput(context, context.recipientId, header.partialIv);
  const opened = openRequest(context, message, input);
  if (opened === undefined) {
    return { kind: 'refused', fault: 'decryption-failed', detail: 'the ciphertext does not verify' };
  }
  const asked = isDecodeFault(opened) ? undefined : opened;
  const observe = asked === undefined ? undefined : observeOf(asked.options);
  if (replay === 'unknown' && !hasEcho(asked, context)) {
    // Appendix B.1.2: with the server's own Partial IV, since the request may be one that was answered before.
    const binding = new ServerBinding(context, input, sequenceNumber, observe, false);
    return { kind: 'challenged', binding, answer: challengeOf(context) };
  }
  const uncovered =
    replay === 'unknown' ? context.synchronizeAt(sequenceNumber) : context.markReceived(sequenceNumber);
  // Authentic, but no request: its number is used up all the same, and the peer is told (§8.2 step 2).
  if (isDecodeFault(opened)) return malformed(opened.reason);
  const fault = faultOf(opened);
  if (fault !== undefined) return malformed(fault);
  const inner = replay === 'unknown' ? withoutEcho(opened) : opened;
  const { code, payload } = inner;
  const request = { code, options: joinOptions(inner.options, message.options), payload };
  const binding = new ServerBinding(context, input, sequenceNumber, observe, true);
  return uncovered
    ? { kind: 'store-first', request, binding, record: context.recordToStore }
    : { kind: 'verified', request, binding };
}

/**
 * The message inside a request, decrypted under one context (§8.2 steps 4 to 6), without a look at the Replay Window.
 *
 * @returns `undefined` when the tag does not verify, a fault when there is no message in it.
 */
export function openRequest(
  { aead, recipientKey: key }: SecurityContext,
  { payload }: OscoreContent,
  { nonce, additionalData }: RequestInput,
): ReturnType<typeof openCiphertext> {
  return openCiphertext({ aead, key, nonce, additionalData }, payload);
}

/** The unprotected answer to a request that is refused (§7.4, §8.2), not to be cached by anybody (§4.1.3.1). */
export function refusalResponse(fault: RequestFault): OscoreContent {
  const { code, diagnostic } = refusals[fault];
  return {
    code,
    options: new OptionSet().add(OptionNumber.MaxAge, 0),
    payload: encodeUtf8(diagnostic),
  };
}

/** Whether a response says of its request what `refusalResponse` says of one with this fault. */
export function isRefusal({ code, payload }: OscoreContent, fault: RequestFault): boolean {
  const refusal = refusals[fault];
  return code === refusal.code && decodeUtf8(payload) === refusal.diagnostic;
}

const refusals: Readonly<Record<RequestFault, { readonly code: Code; readonly diagnostic: string }>> = {
  malformed: { code: Code.BadOption, diagnostic: 'Failed to decode COSE' },
  'context-not-found': { code: Code.Unauthorized, diagnostic: 'Security context not found' },
  replay: { code: Code.Unauthorized, diagnostic: 'Replay detected' },
  'decryption-failed': { code: Code.BadRequest, diagnostic: 'Decryption failed' },
  'too-many-runs': { code: Code.ServiceUnavailable, diagnostic: 'Too many new security contexts' },
};

/** Why what was decrypted is no request. */
function faultOf({ code, options }: OscoreContent): string | undefined {
  if (!isRequestCode(code)) return `the code inside is ${codeText(code)}, no request`;
  // §4.1.3.7: nested use is not supported.
  return options.has(OptionNumber.Oscore) ? 'an OSCORE option inside' : undefined;
}

/** Appendix B.1.2: only the Echo option and no diagnostic payload. */
function challengeOf(context: SecurityContext): OscoreContent {
  const options = new OptionSet().add(OptionNumber.Echo, context.echo);
  return { code: Code.Unauthorized, options, payload: noBytes };
}

function hasEcho(request: OscoreContent | undefined, context: SecurityContext): boolean {
  const echo = request?.options.first(OptionNumber.Echo);
  return echo !== undefined && equalBytesConstantTime(echo, context.echo);
}

/** The Echo was for the context; an application would not know it. */
function withoutEcho(request: OscoreContent): OscoreContent {
  return { ...request, options: OptionSet.from(request.options.entries()).delete(OptionNumber.Echo) };
}

function malformed(detail: string): RefusedRequest {
  return { kind: 'refused', fault: 'malformed', detail };
}
