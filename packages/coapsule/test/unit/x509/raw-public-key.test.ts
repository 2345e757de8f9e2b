/**
 * Fingerprints of raw public keys (RFC 7250).
 */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  matchesFingerprint,
  normalizeFingerprint,
  publicKeyFingerprint,
} from '../../../src/core/x509/raw-public-key.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { keyPair } from '../../x509/certificate-factory.ts';

const spki = new Uint8Array(keyPair().publicKey.export({ format: 'der', type: 'spki' }));
const digits = createHash('sha256').update(spki).digest('hex');

test('a fingerprint is the SHA-256 of the SubjectPublicKeyInfo', () => {
  assert.equal(publicKeyFingerprint(nodeCrypto, spki), `sha256:${digits}`);
});

test('a fingerprint is found in every form that tools write', () => {
  const colons = digits.match(/../g)?.join(':') ?? '';
  for (const text of [
    digits,
    `sha256:${digits}`,
    colons,
    `SHA-256:${colons.toUpperCase()}`,
    ` ${digits.toUpperCase()}\n`,
  ]) {
    assert.ok(matchesFingerprint(nodeCrypto, spki, text), text);
  }
});

test('what is no fingerprint matches nothing', () => {
  for (const text of [
    '',
    'sha256:',
    digits.slice(1),
    `${digits}00`,
    `md5:${digits}`,
    `${digits.slice(2)}zz`,
    digits.replace('', ':'),
  ]) {
    assert.equal(normalizeFingerprint(text), undefined, text);
    assert.ok(!matchesFingerprint(nodeCrypto, spki, text), text);
  }
  assert.ok(!matchesFingerprint(nodeCrypto, Uint8Array.of(1), digits));
});
