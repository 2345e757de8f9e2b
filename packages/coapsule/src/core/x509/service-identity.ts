/**
 * Names of servers: does the certificate belong to the one that was called (RFC 9525, RFC 7925 §4.4.1)?
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import { parseIpv4, parseIpv6 } from '../foundation/ip-literal.ts';
import { peerText } from '../foundation/peer-text.ts';
import type { Certificate } from './certificate.ts';
import { commonName, isEui64 } from './device-identity.ts';
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
  return hasDnsName || (isEui64(host) && commonName(certificate)?.toLowerCase() === host);
}

/** RFC 9525 §6.3. */
function coversHost(presented: string, host: string): boolean {
  if (!presented.startsWith('*.')) return isHostName(presented) && presented === host;
  const parent = presented.slice(2);
  const dot = host.indexOf('.');
  return isHostName(parent) && parent.includes('.') && dot > 0 && host.slice(dot + 1) === parent;
}

function describe(certificate: Certificate, name: string): string {
  const names = certificate.subjectAltNames.filter(({ kind }) => kind === 'dns' || kind === 'ip');
  const subject = `the certificate of ${certificate.subject.text}`;
  const asked = peerText(name, 255);
  if (names.length === 0) {
    return `${subject} has no host name or address in its subjectAltName, so it is not for ${asked}`;
  }
  const listed = names.slice(0, maxListed).map(generalNameText).join(', ');
  const more = names.length > maxListed ? ` and ${names.length - maxListed} more` : '';
  return `${subject} is for ${listed}${more}, not for ${asked}`;
}
