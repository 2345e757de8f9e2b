/**
 * By which name the holder of a certificate is known when it calls, such as an EUI-64 (RFC 7925 §4.4.2).
 *
 * `name-constraints.ts` judges every name that can be one, so that a CA that is limited to some names cannot give others.
 *
 * @module
 */

import type { Certificate } from './certificate.ts';
import { attributeType } from './distinguished-name.ts';
import { isHostName } from './host-name.ts';

/**
 * The first dNSName or URI of the subjectAltName in their order there, else the most specific common name (the left-most
 * one of the text form).
 *
 * A dNSName comes in lower case, the others as they are. `undefined` when there is none, when it is longer than 255
 * characters, or when it has control or other invisible characters; a wildcard names nobody and is passed over, as is a
 * URI without a scheme, which could be taken for a host name.
 */
export function deviceIdentity(certificate: Certificate): string | undefined {
  return alternativeIdentity(certificate) ?? presentable(commonName(certificate));
}

/** The common name, when it is what `deviceIdentity` takes, or would take if it were presentable. */
export function identifyingCommonName(certificate: Certificate): string | undefined {
  return alternativeIdentity(certificate) === undefined ? commonName(certificate) : undefined;
}

function alternativeIdentity({ subjectAltNames }: Certificate): string | undefined {
  for (const name of subjectAltNames) {
    if (name.kind === 'dns' && isHostName(name.value)) return name.value.toLowerCase();
    // RFC 3986 §3.1.
    if (name.kind === 'uri' && /^[a-z][a-z0-9+.-]*:/i.test(name.value)) {
      const uri = presentable(name.value);
      if (uri !== undefined) return uri;
    }
  }
  return undefined;
}

function presentable(text: string | undefined): string | undefined {
  const isPresentable =
    text !== undefined && text.length > 0 && text.length <= 255 && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text);
  return isPresentable ? text : undefined;
}

/** The most specific common name. */
export function commonName(certificate: Certificate): string | undefined {
  return certificate.subject.relativeNames
    .flat()
    .filter(({ type, value }) => type === attributeType.commonName && value !== undefined)
    .at(-1)?.value;
}

/** RFC 7925 §4.4.1: such as `00-11-22-FF-FE-33-44-55`. */
export function isEui64(text: string): boolean {
  return /^[0-9a-f]{2}(?:-[0-9a-f]{2}){7}$/i.test(text);
}
