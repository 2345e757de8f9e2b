import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { type Certificate, decodeCertificate } from '../../../src/core/x509/certificate.ts';
import { ecdsaTwins } from '../../../src/core/x509/ecdsa-twin.ts';
import { validatePath } from '../../../src/core/x509/path-validation.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { issue, issueRoot, keyPair } from '../../x509/certificate-factory.ts';
import { anchor, now } from './three-certificates.ts';

function decoded(der: Uint8Array): Certificate {
  const certificate = decodeCertificate(der);
  if (isDecodeFault(certificate)) assert.fail(certificate.reason);
  return certificate;
}

for (const type of ['P-256', 'P-384'] as const) {
  test(`a twin of a certificate by a CA on ${type} is as good as the certificate, and its own twin is the certificate`, () => {
    const root = issueRoot('CN=Root', { keys: keyPair(type) });
    for (let serialNumber = 1; serialNumber <= 20; serialNumber++) {
      const { der } = issue({ subject: 'CN=device', issuer: root, serialNumber });
      const good = ecdsaTwins(decoded(der)).filter((twin) => {
        const question = {
          anchors: [anchor(root.der)],
          nowMs: now,
          purpose: 'client',
          crypto: nodeCrypto,
        } as const;
        return validatePath({ chain: [twin], ...question }).accepted;
      });
      assert.equal(good.length, 1);
      assert.notDeepEqual(good[0], der);
      const back = ecdsaTwins(decoded(good[0] as Uint8Array));
      assert.ok(back.some((twin) => Buffer.from(twin).equals(der)));
    }
  });
}

test('there is none of another algorithm, or of a signature that is no pair of numbers', () => {
  for (const type of ['ed25519', 'rsa-2048'] as const) {
    const root = issueRoot('CN=Root', { keys: keyPair(type) });
    assert.deepEqual(ecdsaTwins(decoded(issue({ subject: 'CN=x', issuer: root }).der)), []);
  }
  for (const signature of [
    [],
    [0x30, 0],
    [0x30, 3, 2, 1, 1],
    [0x30, 6, 2, 1, 1, 2, 1, 0xff],
    [0x30, 6, 2, 1, 1, 2, 1, 0],
  ]) {
    const { der } = issueRoot('CN=x', { signature: () => Uint8Array.from(signature) });
    assert.deepEqual(ecdsaTwins(decoded(der)), []);
  }
});
