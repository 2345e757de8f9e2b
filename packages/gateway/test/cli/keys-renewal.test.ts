import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { describeCertificates } from 'coapsule';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { run } from './recorded-environment.ts';

const dayMs = 86_400_000;

/** An authority, a device and a server, and a way to run `coapsule keys` on their files. */
async function certificates(t: TestContext, type = 'p256') {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  const keys = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await run(['keys', ...args]);
    assert.equal(exitCode, 0, stderr);
    return `${stdout}${stderr}`;
  };
  await keys('ca', '--out', at('ca'), '--type', type);
  const ca = ['--ca', at('ca.pem')];
  await keys('cert', 'sensor-7', '--out', at('device'), '--days', '10', '--type', type, ...ca);
  const names = ['--name', '::1'];
  await keys('cert', 'localhost', '--server', ...names, '--out', at('server'), '--type', type, ...ca);
  return { at, keys, ca };
}

for (const type of ['p256', 'p384', 'ed25519']) {
  test(`a certificate is renewed for the same key, role and names, with another serial number and end (${type})`, async (t) => {
    const { at, keys, ca } = await certificates(t, type);
    const told = await keys('renew', at('device.pem'), ...ca);
    assert.match(told, /next: coapsule device rotate sensor-7 --cert \S+device\.renewed\.pem --overlap 30d/);
    await keys('renew', at('server.pem'), '--days', '30', '--out', at('server-2.pem'), ...ca);
    const authority = new X509Certificate(readFileSync(at('ca.pem')));
    for (const [before, after, days] of [
      ['device.pem', 'device.renewed.pem', 3650],
      ['server.pem', 'server-2.pem', 30],
    ] as const) {
      const [old, renewed] = [before, after].map((name) => readFileSync(at(name), 'latin1')) as [
        string,
        string,
      ];
      const [one, two] = [new X509Certificate(old), new X509Certificate(renewed)];
      assert.ok(two.verify(authority.publicKey));
      assert.deepEqual(
        [two.subject, two.subjectAltName, two.keyUsage, two.ca, two.publicKey.equals(one.publicKey)],
        [one.subject, one.subjectAltName, one.keyUsage, false, true],
      );
      assert.notEqual(two.serialNumber, one.serialNumber);
      assert.equal(describeCertificates(renewed)[0]?.notAfter.getTime(), days * dayMs);
    }
  });
}

test('what is no certificate of a server or device is not renewed, and no file is replaced', async (t) => {
  const { at, ca } = await certificates(t);
  for (const [file, message] of [
    ['ca.pem', /is not the certificate of a server or device/],
    ['device.key', /it holds a private key, not a certificate/],
  ] as const) {
    const { exitCode, stderr } = await run(['keys', 'renew', at(file), ...ca]);
    assert.equal(exitCode, 1);
    assert.match(stderr, message);
    assert.equal(existsSync(at(file.replace('.', '.renewed.'))), false);
  }
  const there = await run(['keys', 'renew', at('device.pem'), '--out', at('server.pem'), ...ca]);
  assert.equal(there.exitCode, 1);
  assert.match(there.stderr, /server\.pem is there already/);
});

test('keys show tells subject, names, dates and fingerprints, for people and as JSON, and when one ends soon', async (t) => {
  const { at, keys } = await certificates(t);
  const text = await keys('show', at('device.pem'), at('server.pem'));
  assert.match(text, /^subject +CN=sensor-7$/m);
  assert.match(text, /^valid +1969-12-31 to 1970-01-11 \(expires on 1970-01-11, in 10 days: renew it\)$/m);
  assert.match(text, /^names +localhost, (?:::1|0:0:0:0:0:0:0:1)$/m);
  const values = JSON.parse(await keys('show', at('device.pem'), '--json'));
  const [certificate] = describeCertificates(readFileSync(at('device.pem')));
  assert.deepEqual(
    [values[0].fingerprint, values[0].publicKey, values[0].notAfter],
    [certificate?.fingerprint, certificate?.publicKey.fingerprint, '1970-01-11T00:00:00.000Z'],
  );
  await keys('rpk', 'meter', '--out', at('meter'));
  assert.match(await keys('show', at('meter.pub')), /^public key {3}sha256:[0-9a-f]{64}$/m);
  assert.equal((await run(['keys', 'show', at('device.key')])).stdout.includes('PRIVATE'), false);
});
