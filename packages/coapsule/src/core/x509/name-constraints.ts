/**
 * Whether the names of a certificate obey the name constraints of a CA above it (RFC 5280 §4.2.1.10).
 *
 * A form of name that is constrained but not understood (otherName and others) is refused where a certificate has it.
 * As most implementations do, e-mail addresses in the subject count as rfc822Names, and a common name that looks like
 * a host name counts as a dNSName when there is none. So does every common name by which a peer is to be known
 * (`deviceIdentity`, and the EUI-64 of a server), whatever it looks like.
 *
 * @module
 */

import { equalBytes } from '../foundation/bytes.ts';
import { formatIpv6 } from '../foundation/ip-literal.ts';
import { peerText } from '../foundation/peer-text.ts';
import type { Certificate } from './certificate.ts';
import type { NameConstraints } from './certificate-extensions.ts';
import { commonName, identifyingCommonName, isEui64 } from './device-identity.ts';
import { attributeType, isWithin } from './distinguished-name.ts';
import type { GeneralName } from './general-name.ts';
import { isHostName } from './host-name.ts';

/** What a certificate is in its path. */
export type ConstrainedUse = 'server' | 'client' | 'issuer';

/** How many comparisons the names of a certificate may need. */
export function constraintCost(
  { subject, subjectAltNames }: Certificate,
  { permitted, excluded }: NameConstraints,
): number {
  const names = subjectAltNames.length + subject.relativeNames.flat().length + 2;
  return names * (permitted.length + excluded.length);
}

/** The first name that is not allowed, as a text that goes on "the name …"; `undefined` when all are. */
export function violatedConstraint(
  certificate: Certificate,
  constraints: NameConstraints,
  use: ConstrainedUse,
): string | undefined {
  for (const name of constrainedNames(certificate, use, constraints)) {
    const excluded = constraints.excluded.filter((base) => sameForm(name, base));
    const permitted = constraints.permitted.filter((base) => sameForm(name, base));
    if (excluded.length + permitted.length === 0) continue;
    if (!canBeJudged(name)) return `${generalNameText(name)}, which is constrained, cannot be judged`;
    if (excluded.some((base) => lies(name, base, 'excluded'))) return `${generalNameText(name)} is excluded`;
    if (permitted.length > 0 && !permitted.some((base) => lies(name, base, 'permitted'))) {
      return `${generalNameText(name)} is not among those permitted`;
    }
  }
  return undefined;
}

function constrainedNames(
  certificate: Certificate,
  use: ConstrainedUse,
  { permitted }: NameConstraints,
): GeneralName[] {
  const { subject, subjectAltNames } = certificate;
  const names = [...subjectAltNames];
  if (subject.relativeNames.length > 0) names.push({ kind: 'directory', name: subject });
  const hasDnsName = subjectAltNames.some(({ kind }) => kind === 'dns');
  for (const { type, value } of subject.relativeNames.flat()) {
    if (value === undefined) continue;
    if (type === attributeType.emailAddress) names.push({ kind: 'email', value });
    const likeHost = value.includes('.') && isHostName(value);
    if (type === attributeType.commonName && !hasDnsName && likeHost) names.push({ kind: 'dns', value });
  }
  const name = knownAs(certificate, use);
  // What is no host name is outside of every excluded subtree, but in none that is permitted either.
  const isPermissionNeeded = permitted.some(({ kind }) => kind === 'dns');
  if (name !== undefined && (isPermissionNeeded || isHostName(name)))
    names.push({ kind: 'dns', value: name });
  return names;
}

/** The common name by which a peer will be known. */
function knownAs(certificate: Certificate, use: ConstrainedUse): string | undefined {
  if (use === 'client') return identifyingCommonName(certificate);
  const name = use === 'server' ? commonName(certificate) : undefined;
  return name !== undefined && isEui64(name) ? name : undefined;
}

function sameForm(name: GeneralName, base: GeneralName): boolean {
  return name.kind === base.kind && (name.kind !== 'other' || name.number === (base as typeof name).number);
}

/** RFC 5280 §4.2.1.10: a URI without a host name is to be rejected; so is what is no host name or address. */
function canBeJudged(name: GeneralName): boolean {
  switch (name.kind) {
    case 'dns':
      return isHostName(name.value.replace(/^\*\./, ''));
    case 'email':
      return isHostName(mailHost(name.value)) && name.value.lastIndexOf('@') > 0;
    case 'uri':
      return isHostName(uriHost(name.value));
    case 'other':
      return false;
    default:
      return true;
  }
}

function lies(name: GeneralName, base: GeneralName, list: 'permitted' | 'excluded'): boolean {
  if (name.kind === 'directory' && base.kind === 'directory') return isWithin(name.name, base.name);
  if (name.kind === 'ip' && base.kind === 'ip') return isInNetwork(name.bytes, base.bytes);
  if (!('value' in name && 'value' in base)) return false;
  const host = base.value.toLowerCase();
  switch (name.kind) {
    case 'dns': {
      const own = name.value.toLowerCase();
      if (host === '' || isBelow(own, host) || (!host.startsWith('.') && own === host)) return true;
      // A wildcard also stands for the one excluded name that it covers.
      return list === 'excluded' && own.startsWith('*.') && covers(own.slice(1), host);
    }
    case 'email':
      if (base.value.includes('@')) {
        const at = base.value.lastIndexOf('@');
        const sameBox = base.value.slice(0, at) === name.value.slice(0, name.value.lastIndexOf('@'));
        return sameBox && mailHost(name.value) === host.slice(at + 1);
      }
      return isHostOrBelow(mailHost(name.value), host);
    case 'uri':
      return isHostOrBelow(uriHost(name.value), host);
  }
}

/** E-mail and URI: a host stands for itself, a host after a dot for all below it. */
function isHostOrBelow(host: string, base: string): boolean {
  return base.startsWith('.') ? isBelow(host, base) : host === base;
}

function isBelow(host: string, base: string): boolean {
  return host.endsWith(base.startsWith('.') ? base : `.${base}`);
}

/** Whether `*` + `suffix` covers `host`; a base that begins with a dot lies a label too deep. */
function covers(suffix: string, host: string): boolean {
  return host.endsWith(suffix) && !host.slice(0, -suffix.length).includes('.');
}

function isInNetwork(address: Uint8Array, base: Uint8Array): boolean {
  if (base.length !== 2 * address.length) return false;
  const masked = address.map((byte, i) => byte & (base[address.length + i] as number));
  const network = address.map((_, i) => (base[i] as number) & (base[address.length + i] as number));
  return equalBytes(masked, network);
}

function mailHost(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}

/** The host of a URI with an authority, in lower case; empty when it has none (RFC 3986 §3.2.2). */
function uriHost(uri: string): string {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]*)(?::\d*)?(?:[/?#]|$)/i.exec(uri);
  const host = match?.[1]?.toLowerCase() ?? '';
  // An address in place of a host name has no host name to compare.
  return /^[\d.]+$/.test(host) ? '' : host;
}

/** A name for a sentence: kind and value, without control characters, at most about 100 characters. */
export function generalNameText(name: GeneralName): string {
  switch (name.kind) {
    case 'directory':
      return name.name.text;
    case 'ip':
      return name.bytes.length === 16 ? formatIpv6(name.bytes) : name.bytes.join('.');
    case 'other':
      return `of an unsupported form (${name.number})`;
    default:
      return peerText(name.value);
  }
}
