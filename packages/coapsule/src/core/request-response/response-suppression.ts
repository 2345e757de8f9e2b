/**
 * Which responses are not sent: those that the client does not want, and those to a group that tell nothing.
 *
 * RFC 7967 §2 (No-Response), RFC 7252 §8.2, draft-ietf-core-groupcomm-bis §3.1.2, §3.7, §6.3.1 and §6.5. Decides
 * only; `server-role.ts` sends.
 *
 * @module
 */

import { Code } from '../coap/code.ts';
import { OptionNumber } from '../coap/option-registry.ts';
import type { OptionReader } from '../coap/option-set.ts';

/** The class of a response code: 2 for 2.xx. */
export type ResponseClass = 2 | 4 | 5;

/** How a resource deals with requests to a group. */
export interface GroupPolicy {
  /** Classes of responses that are sent; others are suppressed, all of a class alike (groupcomm-bis §3.1.2). */
  readonly answered: readonly ResponseClass[];
  /**
   * Whether a No-Response option that shows interest in a class makes it be sent (RFC 7967 §2.1). On plain CoAP
   * anybody can ask so for all answers of a group, in another's name (groupcomm-bis §6.5). What the option does not
   * want is never sent.
   */
  readonly heedsInterest: boolean;
}

/** Success is told, errors are not (RFC 7252 §8.2, groupcomm-bis §3.1.2). */
export const defaultGroupPolicy: GroupPolicy = Object.freeze({
  answered: Object.freeze([2] as const),
  heedsInterest: false,
});

/** The value of No-Response that a client means with these classes: bit n - 1 for class n (RFC 7967 §2.1). */
export function noResponseValue(unwanted: readonly ResponseClass[]): number {
  return unwanted.reduce((bits, one) => bits | bitOf(one), 0);
}

/** Whether a request wants no response at all: 2.xx, 4.xx and 5.xx, value 26 (RFC 7967 §2.1). */
export function wantsNoResponse(options: OptionReader): boolean {
  const every = noResponseValue([2, 4, 5]);
  return ((options.uint(OptionNumber.NoResponse) ?? 0) & every) === every;
}

/** Whether some class of responses is not wanted, so that silence may mean that all is well (RFC 7967 §2.1). */
export function mayBeSilent(options: OptionReader): boolean {
  return ((options.uint(OptionNumber.NoResponse) ?? 0) & noResponseValue([2, 4, 5])) !== 0;
}

/** Whether the client of a request does not want a response with this code (RFC 7967 §2.1). */
export function isUnwanted(options: OptionReader, code: Code): boolean {
  // Not a response to the request, but what makes the client send the rest of it (RFC 7959 §2.9.1).
  if (code === Code.Continue) return false;
  return ((options.uint(OptionNumber.NoResponse) ?? 0) & bitOf(classOf(code))) !== 0;
}

/** A response to a request that came by multicast. */
export interface GroupResponse {
  /** Of the request. */
  readonly options: OptionReader;
  readonly response: { readonly code: Code; readonly options: OptionReader; readonly payload: Uint8Array };
  /** It says that the client is now an observer, or notifies one. */
  readonly observing: boolean;
}

/** Whether a response to a group is suppressed. */
export function isSuppressedForGroup(
  { options, response, observing }: GroupResponse,
  policy: GroupPolicy,
): boolean {
  const { code } = response;
  if (isUnwanted(options, code)) return true;
  // groupcomm-bis §6.3.1: asks a client to show that it is where it says; nothing larger would be sent to it.
  if (code === Code.Unauthorized && response.options.has(OptionNumber.Echo)) return false;
  // §3.7: who is now an observer is told so.
  if (observing) return false;
  if (policy.heedsInterest && options.has(OptionNumber.NoResponse)) return false;
  // RFC 7252 §8.2: an empty representation is of no use to anybody, such as a filter without a match.
  if (code === Code.Content && response.payload.length === 0) return true;
  return !policy.answered.includes(classOf(code) as ResponseClass);
}

/**
 * Whether a request to a group is passed over whole. RFC 9177 §4.1: those with Q-Block2 MUST be ignored.
 * groupcomm-bis §3.8: there is no transfer with Block1 to a group.
 */
export function isNotForGroups(options: OptionReader): boolean {
  return notForGroups.some((number) => options.has(number));
}

const notForGroups = [OptionNumber.Block1, OptionNumber.QBlock1, OptionNumber.QBlock2] as const;

function classOf(code: Code): number {
  return code >> 5;
}

function bitOf(responseClass: number): number {
  return 1 << (responseClass - 1);
}
