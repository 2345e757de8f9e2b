/**
 * Security Contexts for tests: the two ends of RFC 8613 Appendix C.1, and messages to protect.
 *
 * @module
 */

import { Code } from '../../../src/core/coap/code.ts';
import { OptionNumber } from '../../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import type { OptionValue } from '../../../src/core/coap/option-value.ts';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import {
  type ContextParameters,
  type ContextSources,
  deriveSecurityContext,
} from '../../../src/core/oscore/derive-context.ts';
import type { OscoreContent } from '../../../src/core/oscore/plaintext.ts';
import { protectRequest } from '../../../src/core/oscore/protect-request.ts';
import { protectResponse } from '../../../src/core/oscore/protect-response.ts';
import type { ClientBinding, ServerBinding } from '../../../src/core/oscore/request-binding.ts';
import {
  type ContextKeeping,
  type ContextRecord,
  type SecurityContext,
  unusedContext,
} from '../../../src/core/oscore/security-context.ts';
import {
  type RequestVerdict,
  readRequestHeader,
  verifyRequest,
} from '../../../src/core/oscore/verify-request.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { hex } from '../crypto/vector-files.ts';

/** Sources of a seeded run. */
export function sources(seed = 8613): ContextSources {
  return { crypto: nodeCrypto, random: new SeededRandom(seed) };
}

/** The client of Appendix C.1; its peer has the IDs the other way round. */
export const clientParameters: ContextParameters = {
  masterSecret: hex('0102030405060708090a0b0c0d0e0f10'),
  masterSalt: hex('9e7ca92223786340'),
  senderId: noBytes,
  recipientId: Uint8Array.of(1),
};

/** The same parameters at the other end. */
export function mirrored(parameters: ContextParameters): ContextParameters {
  return { ...parameters, senderId: parameters.recipientId, recipientId: parameters.senderId };
}

/** Stores that never fail: what must be stored is stored at once. */
export interface Ends {
  readonly client: SecurityContext;
  readonly server: SecurityContext;
}

/** Both ends, unused. */
export function ends(parameters: Partial<ContextParameters> = {}, keeping: ContextKeeping = {}): Ends {
  const all = { ...clientParameters, ...parameters };
  return {
    client: deriveSecurityContext(sources(1), all, unusedContext, keeping),
    server: deriveSecurityContext(sources(2), mirrored(all), unusedContext, keeping),
  };
}

/** One end of Appendix C.1, made again with what its store holds. */
export function restarted(
  role: 'client' | 'server',
  record: ContextRecord,
  keeping: ContextKeeping = {},
  seed = 3,
): SecurityContext {
  const parameters = role === 'client' ? clientParameters : mirrored(clientParameters);
  return deriveSecurityContext(sources(seed), parameters, record, keeping);
}

/** A message of code, options and text. */
export function content(
  code: number,
  options: readonly (readonly [number: number, value: OptionValue])[] = [],
  text = '',
): OscoreContent {
  return {
    code,
    options: OptionSet.from(options.map(([number, value]) => ({ number, value }))),
    payload: new TextEncoder().encode(text),
  };
}

/** GET /tv1. */
export const getRequest: OscoreContent = content(Code.Get, [[OptionNumber.UriPath, 'tv1']]);

/** 2.05 with a payload. */
export const contentResponse: OscoreContent = content(Code.Content, [], 'Hello World!');

/** Protects a request and stores what must be stored. */
export function protectedRequest(
  context: SecurityContext,
  request: OscoreContent = getRequest,
  kidContext?: Uint8Array,
): { readonly message: OscoreContent; readonly binding: ClientBinding } {
  const outcome = protectRequest(context, request, kidContext);
  if (outcome.kind === 'store-first') {
    context.stored(outcome.record);
    return protectedRequest(context, request, kidContext);
  }
  if (outcome.kind !== 'protected') throw new Error(`not protected: ${outcome.kind}`);
  return outcome;
}

/** Protects a response and stores what must be stored. */
export function protectedResponse(
  binding: ServerBinding,
  response: OscoreContent = contentResponse,
  kidContext?: Uint8Array,
): OscoreContent {
  const outcome = protectResponse(binding, response, kidContext);
  if (outcome.kind === 'store-first') {
    outcome.context.stored(outcome.record);
    return protectedResponse(binding, response, kidContext);
  }
  if (outcome.kind !== 'protected') throw new Error(`not protected: ${outcome.kind}`);
  return outcome.message;
}

/** Verifies a request under a context; `store-first` stays what it is. */
export function verdictOf(context: SecurityContext, message: OscoreContent): RequestVerdict {
  const header = readRequestHeader(message);
  return header.kind === 'refused' ? header : verifyRequest(message, header, [context]);
}

/** A verified request; what must be stored is. */
export function verifiedRequest(
  context: SecurityContext,
  message: OscoreContent,
): { readonly request: OscoreContent; readonly binding: ServerBinding } {
  const verdict = verdictOf(context, message);
  if (verdict.kind === 'store-first') context.stored(verdict.record);
  else if (verdict.kind !== 'verified') throw new Error(`not verified: ${JSON.stringify(verdict)}`);
  return verdict;
}

/** A message as plain data, to be compared. */
export function plain({ code, options, payload }: OscoreContent): unknown {
  return {
    code,
    options: [...options.entries()].map(({ number, value }) => [number, Buffer.from(value).toString('hex')]),
    payload: Buffer.from(payload).toString('hex'),
  };
}
