/**
 * What is remembered of certificates and keys from one handshake to the next, and what is judged each time.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { CryptoProvider } from '../../../src/core/foundation/crypto-provider.ts';
import { isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { decodeCertificate, type TrustAnchor } from '../../../src/core/x509/certificate.ts';
import { validatePath } from '../../../src/core/x509/path-validation.ts';
import { recentCertificate } from '../../../src/core/x509/recent-certificates.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { issue, issueRoot, keyPair } from '../../x509/certificate-factory.ts';

function anchorOf(der: Uint8Array): TrustAnchor {
  const certificate = decodeCertificate(der);
  assert.ok(!isDecodeFault(certificate));
  return { certificate };
}

/** Counts the signatures that are checked. */
function counting(): { readonly crypto: CryptoProvider; readonly count: () => number } {
  let checks = 0;
  const keys = new Map<string, ReturnType<CryptoProvider['publicKey']>>();
  return {
    count: () => checks,
    crypto: {
      ...nodeCrypto,
      publicKey(spki) {
        const name = Buffer.from(spki).toString('hex');
        const key = nodeCrypto.publicKey(spki);
        const known = keys.get(name);
        if (known !== undefined || key === undefined) return known;
        const counted = {
          ...key,
          verify: (...args: Parameters<typeof key.verify>) => {
            checks++;
            return key.verify(...args);
          },
        };
        keys.set(name, counted);
        return counted;
      },
    },
  };
}

const nowMs = Date.UTC(2027, 0, 1);

suite('certificates seen before', () => {
  test('are the same object for the same bytes, whatever becomes of the array they came in', () => {
    const { der } = issueRoot('CN=Seen');
    const received = der.slice();
    const first = recentCertificate(received);
    received.fill(0);
    assert.equal(recentCertificate(der), first);
    assert.ok(!isDecodeFault(first));
    assert.deepEqual(first.der, der);
    assert.ok(isDecodeFault(recentCertificate(received)));
  });

  test('are forgotten when 256 others came since', () => {
    const { der } = issueRoot('CN=Forgotten');
    const first = recentCertificate(der);
    const keys = keyPair();
    for (let i = 0; i < 256; i++) recentCertificate(issueRoot(`CN=Other ${i}`, { keys }).der);
    assert.notEqual(recentCertificate(der), first);
  });

  test('cost no signature check again, and are refused when they expire or are denied all the same', () => {
    const root = issueRoot('CN=Anchor');
    const leaf = issue({ subject: 'CN=device', issuer: root, notAfter: new Date(nowMs + 1000) });
    const anchors = [anchorOf(root.der)];
    const { crypto, count } = counting();
    const question = { chain: [leaf.der], anchors, purpose: 'client', crypto } as const;
    assert.ok(validatePath({ ...question, nowMs }).accepted);
    const checks = count();
    assert.ok(checks > 0);
    for (let i = 0; i < 5; i++) assert.ok(validatePath({ ...question, nowMs }).accepted);
    assert.equal(count(), checks);
    const late = validatePath({ ...question, nowMs: nowMs + 1001 });
    assert.equal(late.accepted ? '' : late.cause, 'certificate-expired');
    const denied = validatePath({ ...question, nowMs, denied: ({ der }) => der.length === leaf.der.length });
    assert.equal(denied.accepted ? '' : denied.cause, 'certificate-revoked');
  });

  test('with a signature that is not good are checked, and refused, each time', () => {
    const root = issueRoot('CN=Anchor');
    const leaf = issue({
      subject: 'CN=forged',
      issuer: root,
      signature: (good) => good.map((byte, i) => (i === good.length - 1 ? byte ^ 1 : byte)),
    });
    const anchors = [anchorOf(root.der)];
    const { crypto, count } = counting();
    for (let i = 1; i <= 3; i++) {
      const verdict = validatePath({ chain: [leaf.der], anchors, nowMs, purpose: 'client', crypto });
      assert.equal(verdict.accepted ? '' : verdict.cause, 'certificate-signature');
      assert.equal(count(), i);
    }
  });
});

suite('public keys seen before', () => {
  test('are the same object for the same bytes; what is no key is none however often it comes', () => {
    const spki = new Uint8Array(keyPair().publicKey.export({ format: 'der', type: 'spki' }));
    const key = nodeCrypto.publicKey(spki.slice());
    assert.ok(key !== undefined);
    assert.equal(nodeCrypto.publicKey(spki), key);
    assert.deepEqual(key.spki, spki);
    const offCurve = spki.map((byte, i) => (i === spki.length - 1 ? byte ^ 1 : byte));
    for (let i = 0; i < 3; i++) assert.equal(nodeCrypto.publicKey(offCurve), undefined);
  });
});
