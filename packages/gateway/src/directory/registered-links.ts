/**
 * The links of a registration: the payload that brings them, and what they mean at their base.
 *
 * RFC 9176 §5, §6.1 and Appendix C (Limited Link Format).
 */
import { decodeLinkFormat, isDecodeFault, type Link, linkAttribute } from 'coapsule/message';

/** Links of one registration. */
const mostLinks = 1000;

/** Limited Link Format: every reference starts with a scheme, or with a single slash. */
const fullUri = /^[A-Za-z][A-Za-z0-9+.-]*:/;
const pathAbsolute = /^\/(?!\/)/;

/** @returns the links, or a sentence that says what is wrong with the document. */
export function registeredLinks(payload: Uint8Array): readonly Link[] | string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(payload);
  } catch {
    return 'the links are not UTF-8';
  }
  const links = decodeLinkFormat(text);
  if (isDecodeFault(links))
    return `the links are not in link format: ${links.reason} (at character ${links.offset + 1})`;
  if (links.length > mostLinks) return `there are more than ${mostLinks} links`;
  for (const link of links) {
    const anchor = linkAttribute(link, 'anchor');
    for (const reference of [link.target, ...(anchor === undefined ? [] : [anchor])]) {
      if (fullUri.test(reference) || pathAbsolute.test(reference)) continue;
      return `<${reference.slice(0, 64)}> is neither a full URI nor a path from / (RFC 9176 Appendix C)`;
    }
  }
  return links;
}

/** The link as others find it: target and anchor resolved, all else as submitted (RFC 9176 §6.1). */
export function resolvedLink({ target, attributes }: Link, base: string): Link {
  return {
    target: resolved(target, base),
    attributes: attributes.map(([name, value]) =>
      name === 'anchor' && value !== undefined ? [name, resolved(value, base)] : [name, value],
    ),
  };
}

function resolved(reference: string, base: string): string {
  return fullUri.test(reference) ? reference : base + reference;
}
