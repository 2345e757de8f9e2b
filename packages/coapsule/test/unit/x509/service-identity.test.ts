/**
 * Names of servers and devices in certificates (RFC 9525 §6, RFC 7925 §4.4).
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { type Certificate, decodeCertificate } from '../../../src/core/x509/certificate.ts';
import { deviceIdentity } from '../../../src/core/x509/device-identity.ts';
import { matchServerName } from '../../../src/core/x509/service-identity.ts';
import { type AlternativeNames, issue, keyPair } from '../../x509/certificate-factory.ts';

const keys = keyPair();

function certificate(subject: string, names?: AlternativeNames): Certificate {
  const { der } = issue({ subject, keys, ...(names !== undefined && { names }) });
  const decoded = decodeCertificate(der);
  if (isDecodeFault(decoded)) assert.fail(decoded.reason);
  return decoded;
}

suite('the name of a server', () => {
  const server = certificate('CN=ignored.example.com', {
    dns: ['gateway.example.com', '*.Devices.example.com', '*.com', 'a*.example.net', '*', 'x.*.example.org'],
    ip: [
      [192, 0, 2, 1],
      [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ],
    uri: ['coaps://uri.example.com'],
  });

  for (const name of [
    'gateway.example.com',
    'GATEWAY.Example.COM',
    'gateway.example.com.',
    'one.devices.example.com',
    '192.0.2.1',
    '2001:db8::1',
    '[2001:DB8:0::1]',
  ]) {
    test(`${name} is found`, () => assert.ok(matchServerName(server, name).matches));
  }

  for (const name of [
    'ignored.example.com',
    'example.com',
    'sub.gateway.example.com',
    'devices.example.com',
    'a.b.devices.example.com',
    '.devices.example.com',
    'example.com',
    'any.com',
    'abc.example.net',
    '*.devices.example.com',
    'x.y.example.org',
    'uri.example.com',
    'localhost',
    '192.0.2.2',
    '192.0.2.1.',
    '::ffff:192.0.2.1',
    '2001:db8::2',
    'gateway.example.com\0',
    'gateway.example.com..',
    '',
    '.',
    '*',
  ]) {
    test(`${JSON.stringify(name)} is not found`, () => assert.ok(!matchServerName(server, name).matches));
  }

  test('the detail lists at most five names, and shows no control character', () => {
    const match = matchServerName(server, 'other\u001b[31m.example.com');
    assert.ok(!match.matches);
    assert.equal(
      match.detail,
      'the certificate of CN=ignored.example.com is for gateway.example.com, *.Devices.example.com, *.com, a*.example.net, * and 3 more, not for other?[31m.example.com',
    );
  });

  test('the common name does not count, and the detail says that there is no other', () => {
    const match = matchServerName(certificate('CN=gateway.example.com'), 'gateway.example.com');
    assert.ok(!match.matches);
    assert.match(match.detail, /has no host name or address in its subjectAltName, so it is not for gateway/);
  });

  test('an IP address in a dNSName is none, and one of 4 bytes is not one of 16', () => {
    assert.ok(!matchServerName(certificate('CN=x', { dns: ['192.0.2.1'] }), '192.0.2.1').matches);
    const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1];
    assert.ok(!matchServerName(certificate('CN=x', { ip: [mapped] }), '192.0.2.1').matches);
  });

  test('a name with a zero byte in a certificate is no match for what stands before it', () => {
    const poisoned = certificate('CN=x', { dns: ['gateway.example.com\0.evil.example'] });
    assert.ok(!matchServerName(poisoned, 'gateway.example.com').matches);
  });

  test('an EUI-64 may be the common name (RFC 7925 §4.4.1), or a dNSName', () => {
    const name = '00-11-22-FF-FE-33-44-55';
    assert.ok(matchServerName(certificate(`CN=${name}`), name.toLowerCase()).matches);
    assert.ok(matchServerName(certificate('CN=x', { dns: [name] }), name).matches);
    assert.ok(!matchServerName(certificate('CN=00-11-22-FF-FE-33-44-56'), name).matches);
    // The most specific common name counts alone.
    assert.ok(!matchServerName(certificate(`CN=x,CN=${name}`), name).matches);
  });
});

suite('the identity of a device', () => {
  const rows: readonly [sentence: string, subject: string, names: AlternativeNames, string | undefined][] = [
    ['the first dNSName, in lower case', 'CN=cn', { dns: ['A.example', 'b.example'] }, 'a.example'],
    ['a URI as it is', 'CN=cn', { uri: ['urn:dev:mac:0011223344556677'] }, 'urn:dev:mac:0011223344556677'],
    ['the first of both', 'CN=cn', { dns: ['x'], uri: ['urn:y'] }, 'x'],
    ['not a URI without a scheme, which looks like a host name', 'CN=cn', { uri: ['valve.example'] }, 'cn'],
    ['not a wildcard', 'CN=cn', { dns: ['*.example.com'] }, 'cn'],
    ['not an address', 'CN=cn', { ip: [[1, 2, 3, 4]] }, 'cn'],
    [
      'the common name as it is',
      'CN=00-11-22-FF-FE-33-44-55,O=Acme',
      { ip: [[1, 2, 3, 4]] },
      '00-11-22-FF-FE-33-44-55',
    ],
    ['the most specific common name', 'CN=device,O=Acme,CN=group', { ip: [[1, 2, 3, 4]] }, 'device'],
    ['none without names', 'O=Acme', { ip: [[1, 2, 3, 4]] }, undefined],
    ['none with a control character', 'CN=a\u0007b', { ip: [[1, 2, 3, 4]] }, undefined],
    ['none with a character that turns the text around', 'CN=a\u202eb', { ip: [[1, 2, 3, 4]] }, undefined],
    ['none that is empty', 'CN=', { ip: [[1, 2, 3, 4]] }, undefined],
    ['none longer than 255 characters', `CN=${'x'.repeat(256)}`, { ip: [[1, 2, 3, 4]] }, undefined],
  ];
  for (const [sentence, subject, names, expected] of rows) {
    test(sentence, () => assert.equal(deviceIdentity(certificate(subject, names)), expected));
  }
});
