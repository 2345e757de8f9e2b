/**
 * Algorithms, keys, versions and critical extensions that are not accepted.
 *
 * @module
 */

import { noBytes } from '../../../../src/core/foundation/bytes.ts';
import { type CertificateWish, keyPair, pssAlgorithm } from '../../../x509/certificate-factory.ts';
import * as write from '../../../x509/der-writer.ts';
import type { BadChain } from './bad-chain.ts';

const unknownExtension = { oid: '1.3.6.1.4.1.99999.1', value: write.derNull };

export const unsupported: readonly BadChain[] = [
  {
    sentence: 'an unknown critical extension in the leaf',
    cause: 'certificate-unsupported',
    detail: /^CN=device,O=Acme has critical extensions that are not understood: 1\.3\.6\.1\.4\.1\.99999\.1$/,
    bad: { leaf: { extensions: [{ ...unknownExtension, critical: true }] } },
    good: { leaf: { extensions: [unknownExtension] } },
  },
  {
    sentence: 'an unknown critical extension in a CA',
    cause: 'certificate-unsupported',
    detail: /^CN=Sub,O=Acme has critical extensions/,
    bad: { ca: { extensions: [{ ...unknownExtension, critical: true }] } },
    good: { ca: { extensions: [unknownExtension] } },
  },
  {
    sentence: 'an unknown critical extension in the trust anchor',
    cause: 'certificate-unsupported',
    detail: /^CN=Root,O=Acme has critical extensions/,
    bad: { root: { extensions: [{ ...unknownExtension, critical: true }] } },
    good: { root: { extensions: [unknownExtension] } },
  },
  {
    sentence: 'certificate policies that are critical',
    cause: 'certificate-unsupported',
    detail: /not understood: 2\.5\.29\.32$/,
    bad: { leaf: { extensions: [{ oid: '2.5.29.32', critical: true, value: write.sequence() }] } },
    good: { leaf: { extensions: [{ oid: '2.5.29.32', value: write.sequence() }] } },
  },
  {
    sentence: 'ECDSA with SHA-1',
    cause: 'certificate-unsupported',
    detail:
      /^CN=device,O=Acme is signed with ecdsa-with-SHA1 \(1\.2\.840\.10045\.4\.1\), which is not accepted$/,
    bad: { leaf: { algorithm: 'ecdsa-sha1' } },
    good: { leaf: { algorithm: 'ecdsa-sha512' } },
  },
  {
    sentence: 'RSA with SHA-1 in a CA',
    cause: 'certificate-unsupported',
    detail: /^CN=Sub,O=Acme is signed with sha1WithRSAEncryption/,
    bad: { root: { keys: keyPair('rsa-2048') }, ca: { algorithm: 'rsa-sha1' } },
    // A signature of the trust anchor by itself says nothing, so its hash does not matter.
    good: { root: { keys: keyPair('rsa-2048'), algorithm: 'rsa-sha1' }, ca: { algorithm: 'rsa-sha512' } },
  },
  {
    sentence: 'RSA with MD5',
    cause: 'certificate-unsupported',
    detail: /^CN=device,O=Acme is signed with md5WithRSAEncryption/,
    bad: { ca: { keys: keyPair('rsa-2048') }, leaf: { algorithm: 'rsa-md5' } },
    good: { ca: { keys: keyPair('rsa-2048') }, leaf: { algorithm: 'rsa-sha384' } },
  },
  {
    sentence: 'RSA-PSS with two hashes',
    cause: 'certificate-unsupported',
    detail:
      /^CN=device,O=Acme is signed with RSASSA-PSS \(1\.2\.840\.113549\.1\.1\.10\), which is not accepted$/,
    bad: { ca: { keys: keyPair('rsa-2048') }, leaf: pss(pssAlgorithm('sha256', 'sha1', 32)) },
    good: { ca: { keys: keyPair('rsa-2048') }, leaf: { algorithm: 'rsa-pss-sha256' } },
  },
  {
    sentence: 'RSA-PSS with SHA-1',
    cause: 'certificate-unsupported',
    detail: /RSASSA-PSS/,
    bad: { ca: { keys: keyPair('rsa-2048') }, leaf: pss(pssAlgorithm('sha1', 'sha1', 20)) },
    good: { ca: { keys: keyPair('rsa-2048') }, leaf: { algorithm: 'rsa-pss-sha512' } },
  },
  {
    sentence: 'RSA-PSS with a salt that is not as long as the hash',
    cause: 'certificate-unsupported',
    detail: /RSASSA-PSS/,
    bad: { ca: { keys: keyPair('rsa-2048') }, leaf: pss(pssAlgorithm('sha384', 'sha384', 20)) },
    good: { ca: { keys: keyPair('rsa-2048') }, leaf: { algorithm: 'rsa-pss-sha384' } },
  },
  {
    sentence: 'RSA-PSS without parameters, which would mean SHA-1',
    cause: 'certificate-unsupported',
    detail: /RSASSA-PSS/,
    bad: {
      ca: { keys: keyPair('rsa-2048') },
      leaf: pss(write.sequence(write.objectIdentifier('1.2.840.113549.1.1.10'))),
    },
    good: { ca: { keys: keyPair('rsa-2048') }, leaf: { algorithm: 'rsa-pss-sha256' } },
  },
  {
    sentence: 'an RSA key of 1024 bits',
    cause: 'certificate-unsupported',
    detail: /^CN=device,O=Acme has a key that is not accepted: RSA of 1024 bits$/,
    bad: { leaf: { keys: keyPair('rsa-1024') } },
    good: { leaf: { keys: keyPair('rsa-2048') } },
  },
  {
    sentence: 'a CA with an RSA key of 1024 bits',
    cause: 'certificate-unsupported',
    detail: /^CN=Sub,O=Acme has a key that is not accepted: RSA of 1024 bits$/,
    bad: { ca: { keys: keyPair('rsa-1024') } },
    good: { ca: { keys: keyPair('rsa-2048') } },
  },
  {
    sentence: 'a trust anchor with an RSA key of 1024 bits',
    cause: 'certificate-unsupported',
    detail: /^CN=Root,O=Acme has a key that is not accepted: RSA of 1024 bits$/,
    bad: { root: { keys: keyPair('rsa-1024') } },
    good: { root: { keys: keyPair('rsa-2048') } },
  },
  {
    sentence: 'a key on P-521',
    cause: 'certificate-unsupported',
    detail: /not accepted: EC on P-521$/,
    bad: { leaf: { keys: keyPair('P-521') } },
    good: { leaf: { keys: keyPair('P-384') } },
  },
  {
    sentence: 'a key on secp256k1',
    cause: 'certificate-unsupported',
    detail: /not accepted: EC on secp256k1$/,
    bad: { leaf: { keys: keyPair('secp256k1') } },
    good: { leaf: { keys: keyPair('ed25519') } },
  },
  {
    sentence: 'a key that cannot sign',
    cause: 'certificate-unsupported',
    detail: /not accepted: X25519$/,
    bad: { leaf: { keys: keyPair('x25519') } },
    good: { leaf: { keys: keyPair('ed25519') } },
  },
  {
    sentence: 'a CA with an Ed448 key',
    cause: 'certificate-unsupported',
    detail: /^CN=device,O=Acme is signed with Ed448/,
    bad: { ca: { keys: keyPair('ed448') } },
    good: { ca: { keys: keyPair('ed25519') } },
  },
  {
    sentence: 'a key whose point is not on its curve',
    cause: 'certificate-unsupported',
    detail: /not accepted: EC on P-256$/,
    bad: { leaf: { fields: { spki: offCurve() } } },
    good: {},
  },
  {
    sentence: 'a leaf of version 1',
    cause: 'certificate-unsupported',
    detail: /^CN=device,O=Acme is a certificate of version 1, not 3$/,
    bad: { leaf: { fields: { version: noBytes, extensions: noBytes } } },
    good: { leaf: { fields: { extensions: noBytes } } },
  },
  {
    sentence: 'a CA of version 1',
    cause: 'certificate-unsupported',
    detail: /^CN=Sub,O=Acme is a certificate of version 1, not 3$/,
    bad: { ca: { fields: { version: noBytes, extensions: noBytes } } },
    good: {
      root: { fields: { version: noBytes, extensions: noBytes } },
    },
  },
  {
    sentence: 'more than ten certificates',
    cause: 'certificate-unsupported',
    detail: /^the peer showed 11 certificates, more than 10$/,
    bad: { shown: ({ leaf, ca }) => [leaf.der, ca.der, ...Array<Uint8Array>(9).fill(leaf.der)] },
    good: { shown: ({ leaf, ca }) => [leaf.der, ca.der, ...Array<Uint8Array>(8).fill(leaf.der)] },
  },
];

function pss(algorithm: Uint8Array): Partial<CertificateWish> {
  return { algorithm: 'rsa-pss-sha256', fields: { signature: algorithm }, outerAlgorithm: algorithm };
}

function offCurve(): Uint8Array {
  const spki = new Uint8Array(keyPair().publicKey.export({ format: 'der', type: 'spki' }));
  return changed(spki, spki.length - 1);
}

function changed(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
}
