/**
 * Certificates outside of their validity (RFC 5280 §4.1.2.5).
 *
 * @module
 */

import type { BadChain } from './bad-chain.ts';

const earlier = new Date('2021-01-01');
const later = new Date('2026-06-01T12:00:00Z');

export const validity: readonly BadChain[] = [
  {
    sentence: 'a leaf that expired',
    cause: 'certificate-expired',
    detail: /^CN=device,O=Acme expired on 2026-06-01 11:59:59 UTC; now it is 2026-06-01 12:00:00 UTC$/,
    bad: { leaf: { notAfter: new Date('2026-06-01T11:59:59Z') } },
    good: { leaf: { notAfter: later } },
  },
  {
    sentence: 'a leaf that is not yet valid',
    cause: 'certificate-not-yet-valid',
    detail:
      /^CN=device,O=Acme is not valid before 2026-06-01 12:00:01 UTC; now it is 2026-06-01 12:00:00 UTC$/,
    bad: { leaf: { notBefore: new Date('2026-06-01T12:00:01Z') } },
    good: { leaf: { notBefore: later } },
  },
  {
    sentence: 'a CA that expired',
    cause: 'certificate-expired',
    detail: /^CN=Sub,O=Acme expired on 2021-01-01/,
    bad: { ca: { notAfter: earlier } },
    good: { ca: { notAfter: later } },
  },
  {
    sentence: 'a CA that is not yet valid',
    cause: 'certificate-not-yet-valid',
    detail: /^CN=Sub,O=Acme is not valid before 2051-01-01 00:00:00 UTC/,
    bad: { ca: { notBefore: new Date('2051-01-01'), notAfter: new Date('2052-01-01') } },
    good: { ca: { notAfter: new Date('2052-01-01') } },
  },
  {
    sentence: 'a trust anchor that expired',
    cause: 'certificate-expired',
    detail: /^CN=Root,O=Acme expired/,
    bad: { root: { notAfter: earlier } },
    good: { root: { notAfter: later } },
  },
  {
    sentence: 'a clock that has not been set',
    cause: 'certificate-not-yet-valid',
    detail: /now it is 1970-01-01 00:00:10 UTC$/,
    bad: { nowMs: 10_000 },
    good: {},
  },
  {
    sentence: 'a validity that ends before it begins',
    cause: 'certificate-malformed',
    detail: /^certificate 1: validity ends before it begins$/,
    bad: { leaf: { notBefore: later, notAfter: earlier } },
    good: { leaf: { notBefore: earlier, notAfter: later } },
  },
];
