/**
 * Certificates and CAs used for what they are not meant for (RFC 5280 §4.2.1.3, §4.2.1.9, §4.2.1.12).
 *
 * @module
 */

import { issue, purpose, usage } from '../../../x509/certificate-factory.ts';
import type { Made } from '../three-certificates.ts';
import type { BadChain } from './bad-chain.ts';

export const usages: readonly BadChain[] = [
  {
    sentence: 'a server with the certificate of a client',
    cause: 'certificate-usage',
    detail: /^CN=device,O=Acme does not have extKeyUsage serverAuth but clientAuth$/,
    bad: { leaf: { extendedKeyUsage: [purpose.client] } },
    good: { leaf: { extendedKeyUsage: [purpose.client, purpose.server] } },
  },
  {
    sentence: 'a client with the certificate of a server',
    cause: 'certificate-usage',
    detail: /^CN=device,O=Acme does not have extKeyUsage clientAuth but serverAuth$/,
    bad: { purpose: 'client', leaf: { extendedKeyUsage: [purpose.server] } },
    good: { purpose: 'client', leaf: { extendedKeyUsage: 'absent' } },
  },
  {
    sentence: 'a certificate for signing code',
    cause: 'certificate-usage',
    detail: /^CN=device,O=Acme does not have extKeyUsage serverAuth$/,
    bad: { leaf: { extendedKeyUsage: [purpose.codeSigning] } },
    good: { leaf: { extendedKeyUsage: [purpose.codeSigning, purpose.any] } },
  },
  {
    sentence: 'a CA that may issue for clients only',
    cause: 'certificate-usage',
    detail: /^CN=Sub,O=Acme does not have extKeyUsage serverAuth but clientAuth$/,
    bad: { ca: { extendedKeyUsage: [purpose.client] } },
    good: { ca: { extendedKeyUsage: [purpose.server] } },
  },
  {
    sentence: 'a leaf whose key may only agree on keys',
    cause: 'certificate-usage',
    detail: /^CN=device,O=Acme has keyUsage keyAgreement, not digitalSignature$/,
    bad: { leaf: { keyUsage: [usage.keyAgreement] } },
    good: { leaf: { keyUsage: [usage.keyAgreement, usage.digitalSignature] } },
  },
  {
    sentence: 'an issuer that is no CA',
    cause: 'certificate-usage',
    detail: /^CN=Sub,O=Acme is no CA \(basicConstraints\), but issued CN=device,O=Acme$/,
    bad: { ca: { ca: false, keyUsage: [usage.keyCertSign], extendedKeyUsage: 'absent' } },
    good: { ca: { ca: true, keyUsage: [usage.keyCertSign], extendedKeyUsage: 'absent' } },
  },
  {
    sentence: 'an issuer without basicConstraints',
    cause: 'certificate-usage',
    detail: /^CN=Sub,O=Acme is no CA/,
    bad: { ca: { ca: 'absent', keyUsage: [usage.keyCertSign], extendedKeyUsage: 'absent' } },
    good: { ca: { ca: true, keyUsage: 'absent' } },
  },
  {
    sentence: 'an issuer whose key may not sign certificates',
    cause: 'certificate-usage',
    detail: /^CN=Sub,O=Acme may not sign certificates \(keyUsage\)$/,
    bad: { ca: { keyUsage: [usage.digitalSignature, usage.cRLSign] } },
    good: { ca: { keyUsage: [usage.digitalSignature, usage.keyCertSign] } },
  },
  {
    sentence: 'a leaf issued by a trusted certificate that is no CA',
    cause: 'certificate-usage',
    detail: /^CN=Sub,O=Acme is no CA/,
    bad: { ca: { ca: false }, trusted: ({ ca }) => [ca.der] },
    good: { ca: { ca: true }, trusted: ({ ca }) => [ca.der] },
  },
  {
    sentence: 'a trust anchor whose key may not sign certificates',
    cause: 'certificate-usage',
    detail: /^CN=Root,O=Acme may not sign certificates/,
    bad: { root: { keyUsage: [usage.cRLSign] } },
    good: { root: { keyUsage: [usage.keyCertSign] } },
  },
  {
    sentence: 'a leaf that is trusted itself, for another purpose',
    cause: 'certificate-usage',
    detail: /^CN=device,O=Acme does not have extKeyUsage serverAuth but clientAuth$/,
    bad: { leaf: { extendedKeyUsage: [purpose.client] }, trusted: ({ leaf }) => [leaf.der] },
    good: { leaf: { extendedKeyUsage: [purpose.server] }, trusted: ({ leaf }) => [leaf.der] },
  },
  {
    sentence: 'a leaf that issues another leaf',
    cause: 'certificate-usage',
    detail: /^CN=device,O=Acme is no CA .* but issued CN=forged$/,
    bad: { shown: (made) => [belowLeaf(made), made.leaf.der, made.ca.der] },
    good: { shown: (made) => [made.leaf.der, made.ca.der, belowLeaf(made)] },
  },
];

function belowLeaf({ leaf }: Made): Uint8Array {
  return issue({ subject: 'CN=forged', issuer: leaf }).der;
}
