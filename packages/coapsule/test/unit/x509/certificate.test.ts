/**
 * Decoding of certificates: fields as Node.js reads them, texts of names, dates.
 */

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { suite, test } from 'node:test';
import { rootCertificates } from 'node:tls';
import fc from 'fast-check';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { type Certificate, decodeCertificate, trustAnchor } from '../../../src/core/x509/certificate.ts';
import { describePublicKey } from '../../../src/core/x509/subject-public-key.ts';
import { formatUtc, utcToMs } from '../../../src/core/x509/utc-time.ts';
import { issue, issueRoot, keyPair, purpose, usage } from '../../x509/certificate-factory.ts';
import * as write from '../../x509/der-writer.ts';

function decoded(der: Uint8Array): Certificate {
  const result = decodeCertificate(der);
  if (isDecodeFault(result)) assert.fail(`${result.reason} at ${result.offset}`);
  return result;
}

/** The text of a subject with these RDNs, as DER. */
function subjectText(...relativeNames: readonly Uint8Array[]): string {
  return decoded(issue({ subject: 'CN=issuer', fields: { subject: write.sequence(...relativeNames) } }).der)
    .subject.text;
}

function attribute(type: string, value: Uint8Array): Uint8Array {
  return write.sequence(write.objectIdentifier(type), value);
}

suite('certificates', () => {
  test('serial number, dates and key are those that Node.js reads, for all its root certificates', () => {
    for (const pem of rootCertificates) {
      const theirs = new X509Certificate(pem);
      const ours = decoded(new Uint8Array(theirs.raw));
      assert.equal(
        ours.serialNumber.replace(/^0+/, ''),
        theirs.serialNumber.toLowerCase().replace(/^0+/, ''),
      );
      assert.equal(ours.notBeforeMs, Date.parse(theirs.validFrom));
      assert.equal(ours.notAfterMs, Date.parse(theirs.validTo));
      assert.deepEqual(ours.spki, new Uint8Array(theirs.publicKey.export({ format: 'der', type: 'spki' })));
      assert.equal(ours.basicConstraints?.ca ?? ours.version === 1, theirs.ca || ours.version === 1);
    }
    assert.ok(rootCertificates.length > 50);
  });

  test('every extension is decoded', () => {
    const issuer = issueRoot();
    const { der, keyIdentifier } = issue({
      subject: 'CN=a',
      issuer,
      ca: 3,
      keyUsage: [usage.digitalSignature, usage.keyCertSign, 8],
      extendedKeyUsage: [purpose.server, purpose.any],
      names: {
        dns: ['d.example'],
        uri: ['urn:u'],
        email: ['e@example'],
        ip: [[1, 2, 3, 4]],
        directory: ['CN=x,O=y'],
        raw: [write.explicit(0, write.objectIdentifier('1.2.3'), write.explicit(0, write.derNull))],
      },
      nameConstraints: { permitted: { dns: ['p'] }, excluded: { ip: [[10, 0, 0, 0, 255, 0, 0, 0]] } },
      extensions: [{ oid: '1.2.3.4', critical: true, value: noBytes }],
    });
    const certificate = decoded(der);
    assert.equal(certificate.version, 3);
    assert.deepEqual(certificate.basicConstraints, { ca: true, pathLength: 3 });
    assert.deepEqual([...(certificate.keyUsage ?? [])], ['digitalSignature', 'keyCertSign', 'decipherOnly']);
    assert.deepEqual(certificate.extendedKeyUsage, [purpose.server, purpose.any]);
    const names = certificate.subjectAltNames.map((name) =>
      name.kind === 'directory' ? name.name.text : name,
    );
    assert.deepEqual(names, [
      { kind: 'dns', value: 'd.example' },
      { kind: 'uri', value: 'urn:u' },
      { kind: 'email', value: 'e@example' },
      { kind: 'ip', bytes: Uint8Array.of(1, 2, 3, 4) },
      'CN=x,O=y',
      { kind: 'other', number: 0 },
    ]);
    assert.deepEqual(certificate.nameConstraints, {
      permitted: [{ kind: 'dns', value: 'p' }],
      excluded: [{ kind: 'ip', bytes: Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0) }],
    });
    assert.deepEqual(certificate.unknownCritical, ['1.2.3.4']);
    assert.deepEqual(certificate.subjectKeyIdentifier, keyIdentifier);
    assert.deepEqual(certificate.authorityKeyIdentifier, issuer.keyIdentifier);
  });

  test('a trust anchor may be of version 1 or 2 and have unique identifiers', () => {
    const two = write.explicit(0, write.integer(1));
    const uniqueIdentifiers = write.implicit(1, Uint8Array.of(0, 1));
    for (const fields of [
      { version: noBytes, extensions: noBytes },
      { version: two, extensions: noBytes, uniqueIdentifiers },
    ]) {
      const anchor = trustAnchor(issue({ subject: 'CN=old', fields }).der);
      assert.ok(!isDecodeFault(anchor));
      assert.ok(anchor.certificate.version < 3);
    }
    assert.ok(isDecodeFault(trustAnchor(noBytes)));
  });

  test('every prefix of a certificate is a fault with an offset inside of it', () => {
    const { der } = issue({ subject: 'CN=a', names: { dns: ['b'] } });
    for (let length = 0; length < der.length; length++) {
      const fault = decodeCertificate(der.slice(0, length));
      assert.ok(isDecodeFault(fault));
      assert.equal(fault.layer, 'x509');
      assert.ok(fault.offset >= 0 && fault.offset <= length);
    }
  });

  test('a certificate with 65 extensions or 257 names is refused', () => {
    const extensions = Array.from({ length: 60 }, (_, i) => ({ oid: `1.2.3.${i}`, value: noBytes }));
    assert.ok(isDecodeFault(decodeCertificate(issue({ subject: 'CN=a', extensions }).der)));
    assert.ok(
      !isDecodeFault(decodeCertificate(issue({ subject: 'CN=a', extensions: extensions.slice(5) }).der)),
    );
    const dns = Array.from({ length: 257 }, (_, i) => `n${i}`);
    assert.ok(isDecodeFault(decodeCertificate(issue({ subject: 'CN=a', names: { dns } }).der)));
    assert.ok(
      !isDecodeFault(decodeCertificate(issue({ subject: 'CN=a', names: { dns: dns.slice(1) } }).der)),
    );
  });
});

suite('texts of names', () => {
  const cn = '2.5.4.3';

  test('the most specific part comes first, parts of one set are joined by a plus', () => {
    const both = write.set(attribute(cn, write.utf8String('a')), attribute('2.5.4.11', write.ia5String('b')));
    assert.equal(
      subjectText(write.set(attribute('2.5.4.10', write.printableString('O'))), both),
      'CN=a+OU=b,O=O',
    );
  });

  test('every kind of string is read', () => {
    const rows: readonly [number, readonly number[], string][] = [
      [0x0c, [0xc3, 0xa4], 'CN=ä'],
      [0x13, [0x61], 'CN=a'],
      [0x14, [0xe4], 'CN=ä'],
      [0x16, [0x40], 'CN=@'],
      [0x1e, [0, 0xe4, 0x20, 0xac], 'CN=ä€'],
      [0x1c, [0, 1, 0xf6, 0], 'CN=😀'],
      [0x12, [0x31], 'CN=1'],
      [0x1a, [0x7e], 'CN=~'],
      [0x04, [1, 2], 'CN=#04020102'],
    ];
    for (const [tag, bytes, text] of rows) {
      assert.equal(subjectText(write.set(attribute(cn, write.der(tag, Uint8Array.from(bytes))))), text);
    }
  });

  test('strings that their type does not allow are refused', () => {
    for (const [tag, bytes] of [
      [0x0c, [0xff]],
      [0x16, [0xe4]],
      [0x1e, [0]],
      [0x1e, [0xd8, 0]],
      [0x1c, [0, 0x11, 0, 0]],
    ] as const) {
      const subject = write.sequence(write.set(attribute(cn, write.der(tag, Uint8Array.from(bytes)))));
      assert.ok(isDecodeFault(decodeCertificate(issue({ subject: 'CN=issuer', fields: { subject } }).der)));
    }
  });

  test('what a terminal would act on, and what has a meaning in the text form, is escaped', () => {
    const text = (value: string): string => subjectText(write.set(attribute(cn, write.utf8String(value))));
    assert.equal(text('a\u001b[2J\n\0'), 'CN=a\\1b[2J\\0a\\00');
    assert.equal(text('\u202eevil\u2028'), 'CN=\\e2\\80\\aeevil\\e2\\80\\a8');
    assert.equal(text(' #a,b+"c";<d>\\ '), 'CN=\\ #a\\,b\\+\\"c\\"\\;\\<d\\>\\\\\\ ');
    assert.equal(text('#1'), 'CN=\\#1');
  });

  test('a long name is cut, an empty one says so, an unknown type is shown by its number', () => {
    assert.ok(subjectText(write.set(attribute(cn, write.utf8String('x'.repeat(60_000))))).length < 250);
    const many = Array.from({ length: 500 }, () => write.set(attribute(cn, write.utf8String('xyz'))));
    assert.ok(subjectText(...many).length < 250);
    assert.equal(subjectText(), '(empty name)');
    assert.equal(subjectText(write.set(attribute('1.2.3', write.utf8String('v')))), '1.2.3=v');
  });
});

suite('dates', () => {
  test('every day from the year 0 to 9999 is that of the Gregorian calendar', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0000-01-01'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
        (date) => {
          const ms = Math.floor(date.getTime() / 1000) * 1000;
          const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
          const [hour, minute, second] = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()];
          assert.equal(utcToMs(year, month, day, hour, minute, second), ms);
          assert.equal(formatUtc(ms), `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`);
        },
      ),
    );
  });

  test('days that no month has are none', () => {
    for (const [year, month, day] of [
      [2027, 2, 29],
      [2100, 2, 29],
      [2026, 4, 31],
      [2026, 13, 1],
      [2026, 0, 1],
      [2026, 1, 0],
      [2026, 12, 32],
    ] as const) {
      assert.equal(utcToMs(year, month, day, 0, 0, 0), undefined);
    }
    assert.equal(utcToMs(2000, 2, 29, 0, 0, 0), Date.UTC(2000, 1, 29));
    assert.equal(utcToMs(2026, 1, 1, 24, 0, 0), undefined);
    assert.equal(utcToMs(2026, 1, 1, 0, 60, 0), undefined);
    assert.equal(utcToMs(2016, 12, 31, 23, 59, 60), undefined);
  });

  test('years of two digits are those from 1950 to 2049, later ones have four', () => {
    for (const year of [1950, 1999, 2049, 2050, 9999]) {
      const notBefore = new Date(Date.UTC(year, 0, 1));
      const notAfter = new Date(Date.UTC(year, 11, 31, 23, 59, 59));
      const certificate = decoded(issue({ subject: 'CN=a', notBefore, notAfter }).der);
      assert.equal(certificate.notBeforeMs, notBefore.getTime());
      assert.equal(certificate.notAfterMs, notAfter.getTime());
    }
  });
});

test('kinds of public keys have names, and what is no key too', () => {
  const text = (type: Parameters<typeof keyPair>[0]): string =>
    describePublicKey(new Uint8Array(keyPair(type).publicKey.export({ format: 'der', type: 'spki' })));
  assert.equal(text('P-256'), 'EC on P-256');
  assert.equal(text('rsa-2048'), 'RSA of 2048 bits');
  assert.equal(text('ed448'), 'Ed448');
  assert.equal(describePublicKey(noBytes), 'no key');
  assert.equal(
    describePublicKey(write.sequence(write.sequence(write.objectIdentifier('1.2.3')))),
    'a key of type 1.2.3',
  );
});
