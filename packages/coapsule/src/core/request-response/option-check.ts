/**
 * Options a recipient does not understand, or that are not as their definition says.
 *
 * RFC 7252 §5.4.1 (critical and elective), §5.4.3 (length), §5.4.5 (repetition), §5.7.2 (proxying).
 * Decides; the answer (4.02, 5.05, silence or Reset) is given by the caller.
 *
 * @module
 */

import { isCritical, isLegalOptionValue, OptionNumber, optionDefinition } from '../coap/option-registry.ts';
import { type OptionEntry, type OptionReader, OptionSet } from '../coap/option-set.ts';

/** Critical options a server understands: those of RFC 7252 §5.10 and RFC 7959. */
const requestOptions: ReadonlySet<number> = new Set([
  OptionNumber.IfMatch,
  OptionNumber.UriHost,
  OptionNumber.IfNoneMatch,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
  OptionNumber.Accept,
  OptionNumber.Block1,
  OptionNumber.Block2,
]);

/** Critical options defined for responses; all others are as unrecognized there (RFC 7252 §5.4). */
const responseOptions: ReadonlySet<number> = new Set([OptionNumber.Block1, OptionNumber.Block2]);

/** The outcome of a check. */
export type OptionVerdict =
  /** All is well; `options` lacks the elective options that must be ignored. */
  | { readonly kind: 'accepted'; readonly options: OptionReader }
  /** A critical option that is unknown, too often there, or of a wrong length. */
  | { readonly kind: 'bad-option'; readonly number: number; readonly reason: string }
  /** The request is for a forward-proxy (RFC 7252 §5.10.2). */
  | { readonly kind: 'proxy' };

/** Checks the options of a request; `alsoKnown` are critical options the application understands. */
export function checkRequestOptions(options: OptionReader, alsoKnown: readonly number[] = []): OptionVerdict {
  // §5.7.2: Proxy-Uri and Proxy-Scheme name another server; 5.05 comes before any complaint about details.
  if (options.has(OptionNumber.ProxyUri) || options.has(OptionNumber.ProxyScheme)) return { kind: 'proxy' };
  return check(options, (number) => requestOptions.has(number) || alsoKnown.includes(number));
}

/** Checks the options of a response. */
export function checkResponseOptions(options: OptionReader): OptionVerdict {
  return check(options, (number) => responseOptions.has(number));
}

function check(options: OptionReader, known: (number: number) => boolean): OptionVerdict {
  let mustIgnore = false;
  let previous = -1;
  for (const entry of options.entries()) {
    const fault = faultOf(entry, entry.number === previous, known);
    previous = entry.number;
    if (fault === undefined) continue;
    if (isCritical(entry.number)) return { kind: 'bad-option', number: entry.number, reason: fault };
    mustIgnore = true;
  }
  return { kind: 'accepted', options: mustIgnore ? withoutIgnored(options, known) : options };
}

function withoutIgnored(options: OptionReader, known: (number: number) => boolean): OptionSet {
  const kept = new OptionSet();
  let previous = -1;
  for (const entry of options.entries()) {
    if (faultOf(entry, entry.number === previous, known) === undefined) kept.add(entry.number, entry.value);
    previous = entry.number;
  }
  return kept;
}

/** Why an option is to be treated like an unrecognized one; `undefined` when it is not. */
function faultOf(
  entry: OptionEntry,
  repeated: boolean,
  known: (number: number) => boolean,
): string | undefined {
  const { number } = entry;
  const definition = optionDefinition(number);
  if (isCritical(number) && !known(number)) {
    return `Unrecognized critical option ${number}${definition === undefined ? '' : ` (${definition.name})`}`;
  }
  if (definition === undefined) return undefined; // not ours to judge: the application may know it
  if (repeated && !definition.repeatable)
    return `Option ${number} (${definition.name}) occurs more than once`;
  if (!isLegalOptionValue(definition, entry.value))
    return `Option ${number} (${definition.name}) has an illegal value`;
  return undefined;
}
