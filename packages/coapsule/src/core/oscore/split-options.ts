/**
 * Which options of a message go into the ciphertext and which stay outside; and the options of a verified message.
 *
 * RFC 8613 §4.1: Inner and Outer options, and the special ones of §4.1.3: Observe, Proxy-Uri, OSCORE. An option that may
 * be both is an Inner one of the original message; an Outer one is added by whoever needs it, most often a proxy.
 *
 * @module
 */

import { OptionNumber } from '../coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../coap/option-set.ts';
import { formatAuthority, isCoapScheme, parseCoapUri, parseResource } from '../coap/uri.ts';
import { noBytes } from '../foundation/bytes.ts';
import { ApiMisuseError, isDecodeFault } from '../foundation/errors.ts';
import { optionClass, outerOnly } from './option-classes.ts';

/** The options of a message in its two parts; the OSCORE option is not among them yet. */
export interface SplitOptions {
  readonly inner: OptionReader;
  readonly outer: OptionSet;
}

/**
 * Splits the options of a request.
 * Throws `ApiMisuseError` for a message that is protected already (§4.1.3.7), or a Proxy-Uri that is no URI.
 */
export function splitRequestOptions(options: OptionReader): SplitOptions {
  return split(options, (value) => value);
}

/** Splits the options of a response, where Inner Observe is empty (§4.1.3.5.2). Throws as `splitRequestOptions`. */
export function splitResponseOptions(options: OptionReader): SplitOptions {
  return split(options, () => noBytes);
}

/**
 * The options of a decrypted message: the Inner ones, and of the Outer ones those that are of Class U only; what may be
 * encrypted is discarded outside (§8.2 and §8.4 step 1), and so is the OSCORE option.
 */
export function joinOptions(inner: OptionReader, outer: OptionReader): OptionReader {
  let joined: OptionSet | undefined;
  for (const number of outerOnly) {
    if (!outer.has(number)) continue;
    joined ??= OptionSet.from(inner.entries());
    // They come before those with the same number inside, which should not be there.
    joined.delete(number);
    for (const value of [...outer.all(number), ...inner.all(number)]) joined.add(number, value);
  }
  return joined ?? inner;
}

function split(options: OptionReader, innerObserve: (value: Uint8Array) => Uint8Array): SplitOptions {
  if (isAllInner(options)) return { inner: options, outer: new OptionSet() };
  const inner = new OptionSet();
  const outer = new OptionSet();
  for (const { number, value } of options.entries()) {
    switch (number) {
      case OptionNumber.Oscore:
        throw new ApiMisuseError(
          'the message has an OSCORE option; expected one that is not protected (RFC 8613 §4.1.3.7)',
        );
      case OptionNumber.Observe:
        inner.add(number, innerObserve(value));
        outer.add(number, value);
        break;
      case OptionNumber.ProxyUri:
        splitProxyUri(options.text(number) ?? '', inner, outer);
        break;
      default:
        (optionClass(number).inner ? inner : outer).add(number, value);
    }
  }
  return { inner, outer };
}

/** Whether all go inside as they are, as those of most messages do. */
function isAllInner(options: OptionReader): boolean {
  let isAll = true;
  options.walk((number) => {
    isAll = number !== OptionNumber.Observe && optionClass(number).inner;
    return isAll;
  });
  return isAll;
}

/** §4.1.3.3: the proxy learns scheme and authority, the server the rest. */
function splitProxyUri(uri: string, inner: OptionSet, outer: OptionSet): void {
  const parts = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]+)([^#]*)$/i.exec(uri);
  if (parts === null)
    throw new ApiMisuseError(`Proxy-Uri is "${uri}"; expected an absolute URI without a fragment`);
  const [, schemeText = '', authorityText = '', resourceText = ''] = parts;
  const resource = parseResource(uri, uri.length - resourceText.length);
  if (isDecodeFault(resource)) throw new ApiMisuseError(`Proxy-Uri is "${uri}"; ${resource.reason}`);
  for (const segment of resource.path) inner.add(OptionNumber.UriPath, segment);
  for (const argument of resource.query) inner.add(OptionNumber.UriQuery, argument);
  const scheme = schemeText.toLowerCase();
  outer.add(OptionNumber.ProxyUri, `${scheme}://${normalAuthority(uri, scheme) ?? authorityText}`);
}

/** The authority as RFC 7252 §6.5 composes it, where the scheme is one of CoAP. */
function normalAuthority(uri: string, scheme: string): string | undefined {
  if (!isCoapScheme(scheme)) return undefined;
  const parsed = parseCoapUri(uri);
  if (isDecodeFault(parsed)) throw new ApiMisuseError(`Proxy-Uri is "${uri}"; ${parsed.reason}`);
  return formatAuthority(parsed.host, parsed.port, parsed.scheme);
}
