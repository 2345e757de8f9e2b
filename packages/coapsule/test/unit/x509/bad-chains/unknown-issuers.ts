/**
 * Chains that do not end at a trust anchor.
 *
 * @module
 */

import { issue } from '../../../x509/certificate-factory.ts';
import { type Made, make } from '../three-certificates.ts';
import type { BadChain } from './bad-chain.ts';

/** A chain with the same names and keys, but for the leaf. */
const otherChain: Made = make({ leaf: { subject: 'CN=other,O=Acme' } });

const selfSigned = issue({ subject: 'CN=device' });

export const unknownIssuers: readonly BadChain[] = [
  {
    sentence: 'a CA that is not trusted',
    cause: 'unknown-ca',
    detail: /^CN=Sub,O=Acme was issued by CN=Root,O=Acme, which is not among the trust anchors$/,
    bad: { trusted: () => [issue({ subject: 'CN=Other', ca: true }).der] },
    good: {},
  },
  {
    sentence: 'a chain without its intermediate CA',
    cause: 'unknown-ca',
    detail: /^CN=device,O=Acme was issued by CN=Sub,O=Acme, which is not among the trust anchors$/,
    bad: { shown: ({ leaf }) => [leaf.der] },
    good: { shown: ({ leaf }) => [leaf.der], trusted: ({ ca }) => [ca.der] },
  },
  {
    sentence: 'a self-signed certificate that is not trusted',
    cause: 'unknown-ca',
    detail: /^CN=device is self-signed and not among the trust anchors$/,
    bad: { shown: () => [selfSigned.der] },
    good: { shown: () => [selfSigned.der], trusted: () => [selfSigned.der] },
  },
  {
    sentence: 'a root that comes with the chain but is not trusted',
    cause: 'unknown-ca',
    detail: /^CN=Root,O=Acme is self-signed and not among the trust anchors$/,
    bad: {
      shown: ({ leaf, ca, root }) => [leaf.der, ca.der, root.der],
      trusted: () => [otherChain.leaf.der],
    },
    good: { shown: ({ leaf, ca, root }) => [leaf.der, ca.der, root.der] },
  },
  {
    sentence: 'a chain that meets no trust anchors at all',
    cause: 'unknown-ca',
    detail: /not among the trust anchors$/,
    bad: { trusted: () => [] },
    good: {},
  },
  {
    sentence: 'two CAs that certify each other',
    cause: 'unknown-ca',
    detail: /not among the trust anchors$/,
    bad: {
      shown: ({ root, ca, leaf }) => [
        leaf.der,
        ca.der,
        issue({ subject: 'CN=Root,O=Acme', issuer: ca, keys: root.keys, ca: true }).der,
      ],
      trusted: () => [],
    },
    good: {
      shown: ({ root, ca, leaf }) => [
        leaf.der,
        ca.der,
        issue({ subject: 'CN=Root,O=Acme', issuer: ca, keys: root.keys, ca: true }).der,
      ],
    },
  },
];
