/**
 * Options a recipient does not understand, or that are not as their definition says.
 *
 * RFC 7252 §5.4.1 (critical and elective), §5.4.2 (unsafe and safe to forward), §5.4.3 (length), §5.4.5 (repetition),
 * §5.7 (proxying). Decides; the answer (4.02, 5.05, silence or Reset) is given by the caller.
 *
 * @module
 */

import {
  isCritical,
  isLegalOptionValue,
  isUnsafe,
  OptionNumber,
  optionDefinition,
} from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { isForwardRequest } from './proxying.ts';

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

/** Unsafe options that a proxy recognizes in requests; what they ask for is done at this hop. */
const proxyOptions: ReadonlySet<number> = new Set([
  OptionNumber.UriHost,
  OptionNumber.Observe,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.MaxAge,
  OptionNumber.UriQuery,
  OptionNumber.Block1,
  OptionNumber.Block2,
  OptionNumber.ProxyUri,
  OptionNumber.ProxyScheme,
  OptionNumber.NoResponse,
]);

/** Critical options defined for responses; all others are as unrecognized there (RFC 7252 §5.4). */
const responseOptions: ReadonlySet<number> = new Set([OptionNumber.Block1, OptionNumber.Block2]);

/** The outcome of a check. */
export type OptionVerdict =
  /**
   * All is well; `options` lacks the elective options that must be ignored, of which `ignored` says what is wrong.
   * `hasUnknown`: an option is defined nowhere here, and is for the application, or nobody.
   */
  | {
      readonly kind: 'accepted';
      readonly options: OptionReader;
      readonly ignored?: string;
      readonly hasUnknown: boolean;
    }
  /** A critical option that is unknown, too often there, or of a wrong length. */
  | { readonly kind: 'bad-option'; readonly number: number; readonly reason: string }
  /** The request is for a forward-proxy (RFC 7252 §5.10.2). */
  | { readonly kind: 'proxy' };

/** Checks the options of a request; `alsoKnown` are critical options the application understands. */
export function checkRequestOptions(options: OptionReader, alsoKnown: readonly number[] = []): OptionVerdict {
  // §5.7.2: Proxy-Uri and Proxy-Scheme name another server; 5.05 comes before any complaint about details.
  if (isForwardRequest(options)) return { kind: 'proxy' };
  return check(
    options,
    (number) => !isCritical(number) || requestOptions.has(number) || alsoKnown.includes(number),
  );
}

/**
 * Checks the options of a request that is to be passed on: an unsafe option that is not recognized makes it a bad one,
 * critical or not, and one that is safe to forward never does (§5.4.2, §5.7.1).
 */
export function checkProxiedRequestOptions(options: OptionReader): OptionVerdict {
  return check(options, (number) => !isUnsafe(number) || proxyOptions.has(number), isUnsafe);
}

/** Checks the options of a response; `alsoKnown` are critical options that the request was sent with. */
export function checkResponseOptions(
  options: OptionReader,
  alsoKnown: readonly number[] = [],
): OptionVerdict {
  return check(
    options,
    (number) => !isCritical(number) || responseOptions.has(number) || alsoKnown.includes(number),
  );
}

/** Checks the options of a response that is to be passed on (§5.7.1); unsafe ones are looked at in `proxying.ts`. */
export function checkProxiedResponseOptions(options: OptionReader): OptionVerdict {
  return check(options, (number) => !isUnsafe(number) || !isCritical(number) || responseOptions.has(number));
}

/** `refuses`: whether a number that is not `recognized`, or not as defined, makes the message a bad one. */
function check(
  options: OptionReader,
  recognized: (number: number) => boolean,
  refuses: (number: number) => boolean = isCritical,
): OptionVerdict {
  let bad = undefined as OptionVerdict | undefined;
  let ignored = undefined as string | undefined;
  let hasUnknown = false;
  let previous = -1;
  options.walk((number, bytes, start, end) => {
    const fault = faultOf(number, bytes, start, end, number === previous, recognized);
    previous = number;
    hasUnknown ||= optionDefinition(number) === undefined;
    if (fault === undefined) return true;
    if (isCritical(number) || refuses(number)) bad = { kind: 'bad-option', number, reason: fault };
    ignored ??= fault;
    return bad === undefined;
  });
  if (bad !== undefined) return bad;
  if (ignored === undefined) return { kind: 'accepted', options, hasUnknown };
  return { kind: 'accepted', options: withoutIgnored(options, recognized), ignored, hasUnknown };
}

function withoutIgnored(options: OptionReader, recognized: (number: number) => boolean): OptionSet {
  const kept = new OptionSet();
  let previous = -1;
  for (const { number, value } of options.entries()) {
    if (faultOf(number, value, 0, value.length, number === previous, recognized) === undefined)
      kept.add(number, value);
    previous = number;
  }
  return kept;
}

/** Why an option, whose value is in `bytes`, is to be treated like an unrecognized one; `undefined` when it is not. */
function faultOf(
  number: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  repeated: boolean,
  recognized: (number: number) => boolean,
): string | undefined {
  const definition = optionDefinition(number);
  if (!recognized(number)) {
    return `Unrecognized ${isCritical(number) ? 'critical' : 'unsafe'} option ${number}${definition === undefined ? '' : ` (${definition.name})`}`;
  }
  if (definition === undefined) return undefined; // not ours to judge: the application, or the next hop, may know it
  if (repeated && !definition.repeatable)
    return `Option ${number} (${definition.name}) occurs more than once`;
  if (!isLegalOptionValue(definition, bytes, start, end))
    return `Option ${number} (${definition.name}) has an illegal value`;
  return undefined;
}
