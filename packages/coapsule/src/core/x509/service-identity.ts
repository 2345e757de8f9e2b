/**
 * Names of servers and devices: does the certificate belong to the one that was called (RFC 9525, RFC 7925 §4.4.1), and
 * by which name is the one who called known (RFC 7925 §4.4.2).
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import { parseIpv4, parseIpv6 } from '../foundation/ip-literal.ts';
import type { Certificate } from './certificate.ts';
import { attributeType } from './distinguished-name.ts';
import { isHostName } from './host-name.ts';
import { generalNameText } from './name-constraints.ts';

/** Whether a certificate is for a name; if not, a sentence that says for which it is. */
export type NameMatch = { readonly matches: true } | { readonly matches: false; readonly detail: string };

/** Names that a detail lists. */
const maxListed = 5;

/**
 * Compares the name by which a server was called with those in its certificate (RFC 9525 §6).
 *
 * - An IP address has to be equal to an iPAddress of the subjectAltName.
 * - A host name has to be equal to a dNSName there, without regard to case. A `*` counts only as the whole left-most label
 *   of a name with two more labels at least, and stands for exactly one label.
 * - An EUI-64 such as `00-11-22-FF-FE-33-44-55` may also be the common name: RFC 7925 §4.4.1 has it for servers without a
 *   host name.
 *
 * Otherwise the common name does not count.
 *
 * @param name Host name (as A-labels; one dot at the end is ignored) or IP address (without zone, brackets allowed).
 */
export function matchServerName(certificate: Certificate, name: string): NameMatch {
  return isFor(certificate, name)
    ? { matches: true }
    : { matches: false, detail: describe(certificate, name) };
}

function isFor(certificate: Certificate, name: string): boolean {
  const address = parseIpv4(name) ?? parseIpv6(name.replace(/^\[(.*)\]$/, '$1'));
  if (address !== undefined) {
    return certificate.subjectAltNames.some(
      (presented) => presented.kind === 'ip' && equalBytes(presented.bytes, address),
    );
  }
  const host = name.replace(/\.$/, '').toLowerCase();
  if (!isHostName(host)) return false;
  const hasDnsName = certificate.subjectAltNames.some(
    (presented) => presented.kind === 'dns' && coversHost(presented.value.toLowerCase(), host),
  );
  return hasDnsName || (eui64.test(host) && commonName(certificate)?.toLowerCase() === host);
}

/** RFC 9525 §6.3. */
function coversHost(presented: string, host: string): boolean {
  if (!presented.startsWith('*.')) return isHostName(presented) && presented === host;
  const parent = presented.slice(2);
  const dot = host.indexOf('.');
  return isHostName(parent) && parent.includes('.') && dot > 0 && host.slice(dot + 1) === parent;
}

const eui64 = /^[0-9a-f]{2}(?:-[0-9a-f]{2}){7}$/i;

function describe(certificate: Certificate, name: string): string {
  const names = certificate.subjectAltNames.filter(({ kind }) => kind === 'dns' || kind === 'ip');
  const subject = `the certificate of ${certificate.subject.text}`;
  const asked = name.replace(/[^\x21-\x7e]/g, '?').slice(0, 255);
  if (names.length === 0) {
    return `${subject} has no host name or address in its subjectAltName, so it is not for ${asked}`;
  }
  const listed = names.slice(0, maxListed).map(generalNameText).join(', ');
  const more = names.length > maxListed ? ` and ${names.length - maxListed} more` : '';
  return `${subject} is for ${listed}${more}, not for ${asked}`;
}

/**
 * The name by which the holder of a certificate is known, such as an EUI-64 (RFC 7925 §4.4.2): the first dNSName or URI
 * of the subjectAltName in their order there, else the most specific common name (the left-most one of the text form).
 *
 * A dNSName comes in lower case, the others as they are. `undefined` when there is none, when it is longer than 255
 * characters, or when it has control or other invisible characters; a wildcard names nobody and is passed over.
 */
export function deviceIdentity(certificate: Certificate): string | undefined {
  for (const name of certificate.subjectAltNames) {
    if (name.kind === 'dns' && isHostName(name.value)) return name.value.toLowerCase();
    if (name.kind === 'uri' && isPresentable(name.value)) return name.value;
  }
  const name = commonName(certificate);
  return name !== undefined && isPresentable(name) ? name : undefined;
}

function isPresentable(text: string): boolean {
  return text.length > 0 && text.length <= 255 && !/[\p{C}\p{Zl}\p{Zp}]/u.test(text);
}

function commonName(certificate: Certificate): string | undefined {
  return certificate.subject.relativeNames
    .flat()
    .filter(({ type, value }) => type === attributeType.commonName && value !== undefined)
    .at(-1)?.value;
}
