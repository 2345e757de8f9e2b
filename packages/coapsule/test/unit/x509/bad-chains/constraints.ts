/**
 * Paths that are too long, and names that a CA may not certify (RFC 5280 §4.2.1.9, §4.2.1.10).
 *
 * @module
 */

import { type CertificateWish, issue } from '../../../x509/certificate-factory.ts';
import * as write from '../../../x509/der-writer.ts';
import type { Made, Wishes } from '../three-certificates.ts';
import type { BadChain } from './bad-chain.ts';

const unknownOid = '1.3.6.1.4.1.99999.1';
const deviceNames = { dns: ['device.example.com'] };

export const constraints: readonly BadChain[] = [
  {
    sentence: 'a path with a CA too many',
    cause: 'certificate-constraint',
    detail: /^CN=Root,O=Acme allows 0 CAs below it \(pathLenConstraint\), the path has 1$/,
    bad: { root: { ca: 0 } },
    good: { root: { ca: 1 } },
  },
  {
    sentence: 'a path with a CA too many below an intermediate CA',
    cause: 'certificate-constraint',
    detail: /^CN=Sub,O=Acme allows 0 CAs below it/,
    bad: { ca: { ca: 0 }, shown: withAnotherChain },
    good: { ca: { ca: 1 }, shown: withAnotherChain },
  },
  ...constrained('a host name outside of those permitted', {
    bad: { permitted: { dns: ['example.org'] } },
    good: { permitted: { dns: ['example.org', 'example.com'] } },
    leaf: { names: deviceNames },
    detail: /the name device\.example\.com is not among those permitted$/,
  }),
  ...constrained('a host name that is excluded', {
    bad: { excluded: { dns: ['EXAMPLE.com'] } },
    good: { excluded: { dns: ['ample.com', 'a.device.example.com'] } },
    leaf: { names: deviceNames },
    detail: /the name device\.example\.com is excluded$/,
  }),
  ...constrained('a host name where only those below it are permitted', {
    bad: { permitted: { dns: ['.device.example.com'] } },
    good: { permitted: { dns: ['.example.com'] } },
    leaf: { names: deviceNames },
    detail: /device\.example\.com is not among/,
  }),
  ...constrained('a wildcard that covers an excluded host name', {
    bad: { excluded: { dns: ['secret.example.com'] } },
    good: { excluded: { dns: ['secret.device.example.com'] } },
    leaf: { names: { dns: ['*.example.com'] } },
    detail: /the name \*\.example\.com is excluded$/,
  }),
  ...constrained('a common name like a host name outside of those permitted', {
    bad: { permitted: { dns: ['example.org'] } },
    good: { permitted: { dns: ['example.com'] } },
    leaf: { subject: 'CN=device.example.com' },
    detail: /the name device\.example\.com is not among/,
  }),
  ...constrained('a second name outside of those permitted', {
    bad: { permitted: { dns: ['a.example.com'] } },
    good: { permitted: { dns: ['a.example.com', 'b.example.com'] } },
    leaf: { names: { dns: ['a.example.com', 'b.example.com'] } },
    detail: /the name b\.example\.com is not among/,
  }),
  ...constrained('an address outside of the network that is permitted', {
    bad: { permitted: { ip: [[192, 0, 2, 0, 255, 255, 255, 0]] } },
    good: { permitted: { ip: [[198, 51, 100, 0, 255, 255, 255, 0]] } },
    leaf: { names: { ip: [[198, 51, 100, 7]] } },
    detail: /the name 198\.51\.100\.7 is not among/,
  }),
  ...constrained('an IPv6 address where only IPv4 is permitted', {
    bad: { permitted: { ip: [[0, 0, 0, 0, 0, 0, 0, 0]] } },
    good: { permitted: { ip: [new Array(32).fill(0)] } },
    leaf: { names: { ip: [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]] } },
    detail: /the name 2001:db8::1 is not among/,
  }),
  ...constrained('a subject outside of the directory that is permitted', {
    bad: { permitted: { directory: ['O=Other'] } },
    good: { permitted: { directory: ['O=ACME'] } },
    leaf: {},
    detail:
      /^CN=device,O=Acme breaks the name constraints of CN=Root,O=Acme: the name CN=device,O=Acme is not among/,
    root: true,
  }),
  ...constrained('a subject that is excluded, written in another way', {
    bad: { excluded: { directory: ['CN=DEVICE,O=acme'] } },
    good: { excluded: { directory: ['CN=other,O=Acme'] } },
    leaf: {},
    detail: /the name CN=device,O=Acme is excluded$/,
  }),
  ...constrained('a URI of another host than those permitted', {
    bad: { permitted: { uri: ['example.com'] } },
    good: { permitted: { uri: ['.example.com'] } },
    leaf: { names: { uri: ['coaps://device.example.com:5684/x'] } },
    detail: /the name coaps:\/\/device\.example\.com:5684\/x is not among/,
  }),
  ...constrained('a URI without a host where URIs are constrained', {
    bad: { excluded: { uri: ['example.com'] } },
    good: { excluded: { dns: ['example.com'] } },
    leaf: { names: { uri: ['urn:dev:mac:0011223344556677'] } },
    detail: /the name urn:dev:mac:0011223344556677, which is constrained, cannot be judged$/,
  }),
  ...constrained('a mailbox that is not permitted', {
    bad: { permitted: { email: ['ops@example.com'] } },
    good: { permitted: { email: ['dev@example.com'] } },
    leaf: { names: { email: ['dev@Example.com'] } },
    detail: /the name dev@Example\.com is not among/,
  }),
  ...constrained('an e-mail address in the subject that is excluded', {
    bad: { excluded: { email: ['example.com'] } },
    good: { excluded: { email: ['.example.com'] } },
    leaf: { subject: 'emailAddress=dev@example.com,CN=device' },
    detail: /the name dev@example\.com is excluded$/,
  }),
  ...constrained('a name of a form that is constrained but not understood', {
    bad: { excluded: { raw: [otherName()] } },
    good: { excluded: { raw: [write.implicit(8, Uint8Array.of(42, 3))] } },
    leaf: { names: { raw: [otherName()] } },
    detail: /of an unsupported form \(0\), which is constrained, cannot be judged$/,
  }),
  {
    sentence: 'a CA below another one whose name constraints it breaks',
    cause: 'certificate-constraint',
    detail:
      /^CN=Sub,O=Acme breaks the name constraints of CN=Root,O=Acme: the name sub\.example\.com is excluded$/,
    bad: {
      root: { nameConstraints: { excluded: { dns: ['sub.example.com'] } } },
      ca: { names: { dns: ['sub.example.com'] } },
    },
    good: {
      root: { nameConstraints: { excluded: { dns: ['sub.example.org'] } } },
      ca: { names: { dns: ['sub.example.com'] } },
    },
  },
];

function otherName(): Uint8Array {
  const value = write.explicit(0, write.utf8String('x'));
  return write.explicit(0, write.objectIdentifier(unknownOid), value);
}

type Constraints = NonNullable<CertificateWish['nameConstraints']>;

function constrained(
  sentence: string,
  row: {
    readonly bad: Constraints;
    readonly good: Constraints;
    readonly leaf: Partial<CertificateWish>;
    readonly detail: RegExp;
    /** The constraints stand in the root, not in the CA. */
    readonly root?: boolean;
  },
): BadChain[] {
  const wishes = (nameConstraints: Constraints): Wishes => ({
    [row.root === true ? 'root' : 'ca']: { nameConstraints },
    leaf: row.leaf,
  });
  const { detail } = row;
  return [
    { sentence, cause: 'certificate-constraint', detail, bad: wishes(row.bad), good: wishes(row.good) },
  ];
}

/** A CA between the CA and the leaf. */
function withAnotherChain(made: Made): Uint8Array[] {
  const low = issue({ subject: 'CN=Low', issuer: made.ca, ca: true });
  return [issue({ subject: 'CN=device', issuer: low }).der, low.der, made.ca.der];
}
