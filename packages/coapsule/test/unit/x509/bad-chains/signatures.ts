/**
 * Signatures that are not good.
 *
 * @module
 */

import { noBytes } from '../../../../src/core/foundation/bytes.ts';
import { issue, keyPair, signatureAlgorithms } from '../../../x509/certificate-factory.ts';
import * as write from '../../../x509/der-writer.ts';
import { type Made, make } from '../three-certificates.ts';
import type { BadChain } from './bad-chain.ts';

/** A chain with the same names and keys, but for the leaf. */
const otherChain: Made = make({ leaf: { subject: 'CN=other,O=Acme' } });

export const signatures: readonly BadChain[] = [
  {
    sentence: 'a signature with one bit changed',
    cause: 'certificate-signature',
    detail: /^the signature of CN=Sub,O=Acme on CN=device,O=Acme is not good$/,
    bad: { leaf: { signature: (bytes) => changed(bytes, bytes.length - 1) } },
    good: { leaf: { signature: (bytes) => bytes } },
  },
  {
    sentence: 'the signature of another certificate',
    cause: 'certificate-signature',
    detail: /^the signature of CN=Sub,O=Acme on CN=device,O=Acme is not good$/,
    bad: { leaf: { signature: () => signatureOf(otherChain.leaf.der) } },
    good: {},
  },
  {
    sentence: 'a CA whose signature is changed',
    cause: 'certificate-signature',
    detail: /^the signature of CN=Root,O=Acme on CN=Sub,O=Acme is not good$/,
    bad: { ca: { signature: (bytes) => changed(bytes, 10) } },
    good: {},
  },
  {
    sentence: 'an empty signature',
    cause: 'certificate-signature',
    detail: /is not good$/,
    bad: { leaf: { signature: () => noBytes } },
    good: {},
  },
  {
    sentence: 'an ECDSA signature of zeros',
    cause: 'certificate-signature',
    detail: /is not good$/,
    bad: { leaf: { signature: () => write.sequence(write.integer(0), write.integer(0)) } },
    good: {},
  },
  {
    sentence: 'a signature said to be of another key type',
    cause: 'certificate-signature',
    detail: /is not good$/,
    bad: {
      leaf: {
        fields: { signature: signatureAlgorithms.ed25519.der },
        outerAlgorithm: signatureAlgorithms.ed25519.der,
      },
    },
    good: { ca: { keys: keyPair('ed25519') } },
  },
  {
    sentence: 'a signature said to be with another hash',
    cause: 'certificate-signature',
    detail: /is not good$/,
    bad: {
      leaf: {
        fields: { signature: signatureAlgorithms['ecdsa-sha384'].der },
        outerAlgorithm: signatureAlgorithms['ecdsa-sha384'].der,
      },
    },
    good: { leaf: { algorithm: 'ecdsa-sha384' } },
  },
  {
    sentence: 'a leaf of another CA with the same name and no key identifiers',
    cause: 'certificate-signature',
    detail: /is not good$/,
    bad: { leaf: { keyIdentifiers: false, issuer: { ...otherChain.ca, keys: keyPair() } } },
    good: { leaf: { keyIdentifiers: false } },
  },
  {
    sentence: 'a leaf of another CA with the same name',
    cause: 'unknown-ca',
    detail: /^CN=device,O=Acme was issued by another CN=Sub,O=Acme than the known one: their keys differ$/,
    bad: { leaf: { issuer: issue({ subject: 'CN=Sub,O=Acme', ca: true }) } },
    good: {},
  },
];

function changed(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
}

/** What is behind the last BIT STRING header of a P-256 certificate. */
function signatureOf(der: Uint8Array): Uint8Array {
  for (let length = 70; length < 73; length++) {
    const start = der.length - length;
    if (der[start] === 0x30 && der[start + 1] === length - 2 && der[start - 1] === 0) return der.slice(start);
  }
  throw new Error('no signature');
}
