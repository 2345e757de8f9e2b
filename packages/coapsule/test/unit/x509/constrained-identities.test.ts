/**
 * A CA that is limited to some host names gives no device a name outside of them (RFC 5280 §4.2.1.10), by whichever field
 * `deviceIdentity` reads.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { deviceIdentity } from '../../../src/core/x509/device-identity.ts';
import type { PathVerdict } from '../../../src/core/x509/path-validation.ts';
import type { AlternativeNames, CertificateWish } from '../../x509/certificate-factory.ts';
import { judge } from './three-certificates.ts';

function judged(
  leaf: Partial<CertificateWish>,
  nameConstraints: NonNullable<CertificateWish['nameConstraints']>,
  purpose: 'client' | 'server' = 'client',
): PathVerdict {
  return judge({ ca: { nameConstraints }, leaf, purpose });
}

const permitted = { permitted: { dns: ['plant-a.example'] } };
const eui64 = '00-11-22-FF-FE-33-44-55';

suite('a CA for dns:plant-a.example', () => {
  const rows: readonly [subject: string, names: AlternativeNames | undefined][] = [
    ['CN=valve.plant-b.example', undefined],
    ['CN=valve.plant-b.example', { dns: ['*.plant-a.example'] }],
    ['CN=valve.plant-b.example', { uri: ['valve.plant-a.example'] }],
    ['CN=sensor-7', undefined],
    ['CN=sensor 7', { ip: [[192, 0, 2, 1]] }],
    [`CN=${eui64}`, { dns: ['*.plant-a.example'] }],
  ];
  for (const [subject, names] of rows) {
    test(`gives no device the identity of ${subject} with ${JSON.stringify(names ?? {})}`, () => {
      const verdict = judged({ subject, ...(names !== undefined && { names }) }, permitted);
      assert.equal(verdict.accepted || verdict.cause, 'certificate-constraint');
    });
  }

  test('does not give a server an EUI-64 either', () => {
    const leaf = { subject: `CN=${eui64}`, names: { dns: ['valve.plant-a.example'] } };
    const verdict = judged(leaf, permitted, 'server');
    assert.equal(verdict.accepted || verdict.cause, 'certificate-constraint');
    assert.ok(judged(leaf, permitted, 'client').accepted, 'as a client it is known by its dNSName');
  });

  test('gives the names below its own, and any common name beside them', () => {
    for (const leaf of [
      { subject: 'CN=valve.plant-a.example' },
      { subject: 'CN=Valve 7', names: { dns: ['valve.plant-a.example'] } },
    ]) {
      const verdict = judged(leaf, permitted);
      assert.ok(verdict.accepted, verdict.accepted ? '' : verdict.detail);
      const [own] = verdict.path;
      assert.equal(own && deviceIdentity(own), 'valve.plant-a.example');
    }
  });
});

test('where names are only excluded, a common name that is no host name is none of them', () => {
  const excluded = { excluded: { dns: ['plant-b.example', eui64.toLowerCase()] } };
  assert.ok(judged({ subject: 'CN=sensor 7' }, excluded).accepted);
  assert.ok(judged({ subject: 'CN=sensor-7' }, excluded).accepted);
  for (const subject of ['CN=valve.plant-b.example', `CN=${eui64}`]) {
    const verdict = judged({ subject, names: { dns: ['*.plant-a.example'] } }, excluded);
    assert.equal(verdict.accepted || verdict.cause, 'certificate-constraint', subject);
  }
});
