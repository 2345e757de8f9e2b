/**
 * Certificates on the deny list.
 *
 * @module
 */

import type { BadChain } from './bad-chain.ts';

export const revoked: readonly BadChain[] = [
  {
    sentence: 'a leaf on the deny list',
    cause: 'certificate-revoked',
    detail: /^CN=device,O=Acme, serial number 1267, is on the deny list$/,
    bad: { denied: ({ subject }) => subject.text === 'CN=device,O=Acme' },
    good: { denied: ({ subject }) => subject.text === 'CN=other,O=Acme' },
  },
  {
    sentence: 'a CA on the deny list',
    cause: 'certificate-revoked',
    detail: /^CN=Sub,O=Acme, serial number 4242, is on the deny list$/,
    bad: { ca: { serialNumber: 0x4242 }, denied: ({ serialNumber }) => serialNumber === '4242' },
    good: { ca: { serialNumber: 0x4243 }, denied: ({ serialNumber }) => serialNumber === '4242' },
  },
];
