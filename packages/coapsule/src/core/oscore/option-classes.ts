/**
 * How OSCORE protects each option: encrypted (Class E, Inner), in the open (Class U, Outer), or both; as one table.
 *
 * RFC 8613 §4.1 and Figure 5; RFC 9175 §2.2 and §3.2 (Echo, Request-Tag), RFC 9177 §4.1 (Q-Block), RFC 9668 §3.1
 * (EDHOC). No option is of Class I. What is not in the table is of Class E (§4.1), as Hop-Limit is by its RFC 8768.
 *
 * @module
 */

import { OptionNumber } from '../coap/option-registry.ts';

/** The two columns of Figure 5. */
export interface OptionClass {
  /** Class E: may be an Inner option; an Outer one is discarded by the receiver (RFC 8613 §8.2 step 1). */
  readonly inner: boolean;
  /** Class U: may be an Outer option. */
  readonly outer: boolean;
}

const e: OptionClass = { inner: true, outer: false };
const u: OptionClass = { inner: false, outer: true };
const both: OptionClass = { inner: true, outer: true };

const classes: Readonly<Record<(typeof OptionNumber)[keyof typeof OptionNumber], OptionClass>> = {
  [OptionNumber.IfMatch]: e,
  [OptionNumber.UriHost]: u,
  [OptionNumber.ETag]: e,
  [OptionNumber.IfNoneMatch]: e,
  [OptionNumber.Observe]: both,
  [OptionNumber.UriPort]: u,
  [OptionNumber.LocationPath]: e,
  [OptionNumber.Oscore]: u,
  [OptionNumber.UriPath]: e,
  [OptionNumber.ContentFormat]: e,
  [OptionNumber.MaxAge]: both,
  [OptionNumber.UriQuery]: e,
  [OptionNumber.HopLimit]: e,
  [OptionNumber.Accept]: e,
  [OptionNumber.QBlock1]: both,
  [OptionNumber.LocationQuery]: e,
  [OptionNumber.Edhoc]: u,
  [OptionNumber.Block2]: both,
  [OptionNumber.Block1]: both,
  [OptionNumber.Size2]: both,
  [OptionNumber.QBlock2]: both,
  [OptionNumber.ProxyUri]: u,
  [OptionNumber.ProxyScheme]: u,
  [OptionNumber.Size1]: both,
  [OptionNumber.Echo]: both,
  [OptionNumber.NoResponse]: both,
  [OptionNumber.RequestTag]: both,
};

const byNumber: ReadonlyMap<number, OptionClass> = new Map(
  Object.entries(classes).map(([number, optionClass]) => [Number(number), optionClass]),
);

/** Options that may be outside only: those of a message in the open count for the one inside. */
export const outerOnly: readonly number[] = [...byNumber]
  .filter(([number, { inner }]) => !inner && number !== OptionNumber.Oscore)
  .map(([number]) => number);

/** The class of an option; Class E when nothing else is said about it (RFC 8613 §4.1). */
export function optionClass(number: number): OptionClass {
  return byNumber.get(number) ?? e;
}
