/**
 * Bytes that are no certificate, or one that breaks RFC 5280 §4.1 and §4.2.
 *
 * @module
 */

import { concatBytes, noBytes } from '../../../../src/core/foundation/bytes.ts';
import {
  basicConstraints,
  type CertificateWish,
  signatureAlgorithms,
  usage,
  withTrailingBytes,
} from '../../../x509/certificate-factory.ts';
import * as write from '../../../x509/der-writer.ts';
import type { Wishes } from '../three-certificates.ts';
import type { BadChain } from './bad-chain.ts';

const unknownExtension = { oid: '1.3.6.1.4.1.99999.1', value: write.derNull };

export const malformed: readonly BadChain[] = [
  broken('no certificate at all', /^the peer showed no certificate$/, { shown: () => [] }, {}),
  broken('an empty certificate', /^certificate 1: certificate is missing$/, { shown: () => [noBytes] }, {}),
  broken(
    'a byte behind the certificate',
    /^certificate 1: certificate has bytes too many$/,
    { shown: ({ leaf, ca }) => [concatBytes(leaf.der, Uint8Array.of(0)), ca.der] },
    {},
  ),
  broken(
    'a byte behind an intermediate certificate',
    /^certificate 2: certificate has bytes too many$/,
    { shown: ({ leaf, ca }) => [leaf.der, concatBytes(ca.der, Uint8Array.of(0))] },
    {},
  ),
  broken(
    'an element behind the signature',
    /^certificate 1: certificate has bytes too many$/,
    { shown: ({ leaf, ca }) => [withTrailingBytes(leaf.der), ca.der] },
    {},
  ),
  broken(
    'a certificate cut short',
    /^certificate 1: certificate is longer than what is left$/,
    { shown: ({ leaf, ca }) => [leaf.der.slice(0, -1), ca.der] },
    {},
  ),
  broken(
    'signature algorithms that differ inside and outside',
    /^certificate 1: the signature algorithms inside and outside differ$/,
    { leaf: { outerAlgorithm: signatureAlgorithms['ecdsa-sha384'].der } },
    { leaf: { outerAlgorithm: signatureAlgorithms['ecdsa-sha256'].der } },
  ),
  broken(
    'an extension that comes twice',
    /^certificate 1: extension 2\.5\.29\.19 comes twice$/,
    { leaf: { extensions: [basicConstraints(true)] } },
    { leaf: { ca: 'absent', extensions: [basicConstraints(false)] } },
  ),
  broken(
    'an unknown extension that comes twice',
    /^certificate 1: extension 1\.3\.6\.1\.4\.1\.99999\.1 comes twice$/,
    { leaf: { extensions: [unknownExtension, unknownExtension] } },
    { leaf: { extensions: [unknownExtension] } },
  ),
  broken(
    'extensions in version 1',
    /^certificate 1: extensions in version 1$/,
    { leaf: { fields: { version: noBytes } } },
    {},
  ),
  broken(
    'extensions in version 2',
    /^certificate 1: extensions in version 2$/,
    { leaf: { fields: { version: write.explicit(0, write.integer(1)) } } },
    { leaf: { fields: { version: write.explicit(0, write.integer(2)) } } },
  ),
  broken(
    'version 4',
    /^certificate 1: version 4 is not known$/,
    { leaf: { fields: { version: write.explicit(0, write.integer(3)) } } },
    {},
  ),
  broken(
    'an empty list of extensions',
    /^certificate 1: extension is missing$/,
    { leaf: { fields: { extensions: write.explicit(3, write.sequence()) } } },
    { leaf: { fields: { extensions: noBytes } } },
  ),
  broken(
    'a negative serial number',
    /^certificate 1: serialNumber is negative$/,
    { leaf: { fields: { serialNumber: write.der(2, Uint8Array.of(0x80)) } } },
    { leaf: { fields: { serialNumber: write.der(2, Uint8Array.of(0, 0x80)) } } },
  ),
  broken(
    'a serial number of 21 bytes',
    /^certificate 1: serialNumber is longer than 20 bytes$/,
    { leaf: { fields: { serialNumber: write.der(2, new Uint8Array(21).fill(1)) } } },
    { leaf: { fields: { serialNumber: write.der(2, new Uint8Array(20).fill(1)) } } },
  ),
  broken(
    'a serial number with a zero too many',
    /^certificate 1: serialNumber is no INTEGER of DER$/,
    { leaf: { fields: { serialNumber: write.der(2, Uint8Array.of(0, 1)) } } },
    { leaf: { fields: { serialNumber: write.der(2, Uint8Array.of(1)) } } },
  ),
  broken(
    'an issuer without a name',
    /^certificate 1: issuer is empty$/,
    { leaf: { fields: { issuer: write.sequence() } } },
    { leaf: { subject: '', names: { dns: ['device.example.com'] } } },
  ),
  broken('a time with an hour of 24', /^certificate 1: notAfter is no time/, validUntil('350101240000Z'), {}),
  broken(
    'the 29th of February 2027',
    /^certificate 1: notAfter is no time/,
    validUntil('270229000000Z'),
    validUntil('280229000000Z'),
  ),
  broken(
    'a time without seconds',
    /^certificate 1: notAfter is no time/,
    validUntil('3501010000Z'),
    validUntil('350101000000Z'),
  ),
  broken('a time with an offset', /^certificate 1: notAfter is no time/, validUntil('350101000000+0100'), {}),
  broken(
    'a time with fractions of a second',
    /^certificate 1: notAfter is no time/,
    validUntil('20350101000000.5Z', 24),
    validUntil('20350101000000Z', 24),
  ),
  broken(
    'a time of another type',
    /^certificate 1: notAfter is no time/,
    validUntil('350101000000Z', 22),
    {},
  ),
  broken(
    'a boolean that is neither 00 nor ff',
    /^certificate 1: cA is no BOOLEAN of DER$/,
    basicConstraintsOf(write.sequence(write.der(1, Uint8Array.of(1)))),
    basicConstraintsOf(write.sequence(write.der(1, Uint8Array.of(0)))),
  ),
  broken(
    'a path length without cA',
    /^certificate 1: pathLenConstraint without cA$/,
    basicConstraintsOf(write.sequence(write.integer(0))),
    basicConstraintsOf(write.sequence()),
  ),
  broken(
    'bytes too many in an extension',
    /^certificate 1: extension 2\.5\.29\.19 has bytes too many$/,
    basicConstraintsOf(concatBytes(write.sequence(), write.derNull)),
    basicConstraintsOf(write.sequence()),
  ),
  broken(
    'a keyUsage that allows nothing',
    /^certificate 1: keyUsage allows nothing$/,
    { leaf: { keyUsage: [] } },
    { leaf: { keyUsage: [usage.digitalSignature] } },
  ),
  broken(
    'a subjectAltName without names',
    /^certificate 1: GeneralName is missing$/,
    { leaf: { names: {} } },
    { leaf: { names: { dns: ['a'] } } },
  ),
  broken(
    'an address of 5 bytes',
    /^certificate 1: iPAddress of 5 bytes is no name$/,
    { leaf: { names: { ip: [[1, 2, 3, 4, 5]] } } },
    { leaf: { names: { ip: [[1, 2, 3, 4]] } } },
  ),
  broken(
    'a host name outside of ASCII',
    /^certificate 1: GeneralName has a character outside of ASCII$/,
    { leaf: { names: { dns: ['gerät.example'] } } },
    { leaf: { names: { dns: ['xn--gert-loa.example'] } } },
  ),
  broken(
    'a subject that is no UTF-8',
    /^certificate 1: subject: attribute value is no valid string$/,
    { leaf: { fields: { subject: nameOf(write.der(12, Uint8Array.of(0xc0, 0xaf))) } } },
    { leaf: { fields: { subject: nameOf(write.der(12, Uint8Array.of(0xc3, 0xa4))) } } },
  ),
  broken(
    'name constraints with a mask that has holes',
    /^certificate 2: iPAddress of 8 bytes is no constraint$/,
    { ca: { nameConstraints: { permitted: { ip: [[10, 0, 0, 0, 255, 0, 255, 0]] } } } },
    { ca: { nameConstraints: { permitted: { ip: [[10, 0, 0, 0, 255, 255, 0, 0]] } } } },
  ),
  broken(
    'name constraints without a constraint',
    /^certificate 2: nameConstraints constrain nothing$/,
    { ca: { nameConstraints: {} } },
    { ca: { nameConstraints: { permitted: { dns: [''] } } } },
  ),
  broken(
    'name constraints with a minimum',
    /^certificate 2: a subtree has a minimum$/,
    subtreeWith(write.implicit(0, Uint8Array.of(1))),
    subtreeWith(write.implicit(0, Uint8Array.of(0))),
  ),
  broken(
    'name constraints with a maximum',
    /^certificate 2: subtree has bytes too many$/,
    subtreeWith(write.implicit(1, Uint8Array.of(1))),
    subtreeWith(noBytes),
  ),
  broken(
    'ECDSA with parameters',
    /^certificate 1: signature algorithm has bytes too many$/,
    { leaf: algorithmDer(write.objectIdentifier('1.2.840.10045.4.3.2'), write.derNull) },
    { leaf: algorithmDer(write.objectIdentifier('1.2.840.10045.4.3.2')) },
  ),
  broken(
    'a key with unused bits',
    /^certificate 1: key does not end with a whole byte$/,
    { leaf: { fields: { spki: keyWithUnusedBits() } } },
    {},
  ),
];

function broken(sentence: string, detail: RegExp, bad: Wishes, good: Wishes): BadChain {
  return { sentence, cause: 'certificate-malformed', detail, bad, good };
}

function validUntil(text: string, tag = 23): Wishes {
  const validity = write.sequence(
    write.time(new Date('2020-01-01')),
    write.der(tag, new Uint8Array(Buffer.from(text, 'latin1'))),
  );
  return { leaf: { fields: { validity } } };
}

function basicConstraintsOf(value: Uint8Array): Wishes {
  return { leaf: { ca: 'absent', extensions: [{ oid: '2.5.29.19', value }] } };
}

function nameOf(value: Uint8Array): Uint8Array {
  return write.sequence(write.set(write.sequence(write.objectIdentifier('2.5.4.3'), value)));
}

function algorithmDer(...contents: readonly Uint8Array[]): Partial<CertificateWish> {
  const algorithm = write.sequence(...contents);
  return { fields: { signature: algorithm }, outerAlgorithm: algorithm };
}

function subtreeWith(bounds: Uint8Array): Wishes {
  const subtree = write.sequence(write.implicit(2, Uint8Array.of(0x61)), bounds);
  const value = write.sequence(write.explicit(1, subtree));
  return { ca: { extensions: [{ oid: '2.5.29.30', critical: true, value }] } };
}

function keyWithUnusedBits(): Uint8Array {
  const curve = write.sequence(
    write.objectIdentifier('1.2.840.10045.2.1'),
    write.objectIdentifier('1.2.840.10045.3.1.7'),
  );
  return write.sequence(curve, write.bitString(new Uint8Array(65), 1));
}
