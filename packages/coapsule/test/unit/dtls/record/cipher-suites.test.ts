/**
 * The cipher suite table and the Alert protocol.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { AlertDescription, alertName, decodeAlert, encodeAlert } from '../../../../src/core/dtls/alert.ts';
import { cipherSuites, suiteById, suiteByName } from '../../../../src/core/dtls/cipher-suites.ts';
import { nodeCrypto } from '../../../../src/crypto/node-crypto.ts';

suite('cipher suites', () => {
  test('each has its registered value (RFC 6655, RFC 5487, RFC 8442, RFC 7251, RFC 5289, RFC 7905)', () => {
    const registered: Readonly<Record<string, number>> = {
      TLS_PSK_WITH_AES_128_CCM: 0xc0a4,
      TLS_PSK_WITH_AES_256_CCM: 0xc0a5,
      TLS_PSK_WITH_AES_128_CCM_8: 0xc0a8,
      TLS_PSK_WITH_AES_256_CCM_8: 0xc0a9,
      TLS_PSK_WITH_AES_128_GCM_SHA256: 0x00a8,
      TLS_PSK_WITH_AES_256_GCM_SHA384: 0x00a9,
      TLS_PSK_WITH_CHACHA20_POLY1305_SHA256: 0xccab,
      TLS_ECDHE_ECDSA_WITH_AES_128_CCM: 0xc0ac,
      TLS_ECDHE_ECDSA_WITH_AES_256_CCM: 0xc0ad,
      TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8: 0xc0ae,
      TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8: 0xc0af,
      TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 0xc02b,
      TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 0xc02c,
      TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 0xcca9,
      TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 0xc02f,
      TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 0xc030,
      TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 0xcca8,
      TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256: 0xd001,
      TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384: 0xd002,
      TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256: 0xd003,
      TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256: 0xd005,
      TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256: 0xccac,
    };
    assert.deepEqual(Object.fromEntries(cipherSuites.map(({ name, id }) => [name, id])), registered);
  });

  test('name and columns agree, and so do the lengths of the AEAD', () => {
    for (const one of cipherSuites) {
      assert.equal(`TLS_${one.keyExchange}`, one.name.replace(/_WITH_.*/, ''));
      const cipher = one.name.replace(/.*_WITH_/, '').replace(/_SHA(256|384)$/, '');
      assert.equal(one.aead, cipher);
      assert.equal(one.hash, one.name.endsWith('_SHA384') ? 'SHA-384' : 'SHA-256');
      assert.equal(nodeCrypto.aead(one.aead, new Uint8Array(one.keyLength)).tagLength, one.tagLength);
      assert.equal(one.fixedIvLength + one.recordIvLength, 12);
      assert.equal(suiteById(one.id), one);
      assert.equal(suiteByName(one.name), one);
    }
    assert.equal(suiteById(0x00ff), undefined);
    assert.equal(suiteByName('TLS_NULL_WITH_NULL_NULL'), undefined);
  });
});

test('each AEAD has its usage limits (RFC 9325 §4.4, RFC 9147 §4.5.3)', () => {
  const limits: Readonly<Record<string, readonly [sealed: number, forged: number]>> = {
    AES_128_CCM_8: [23, 23.5],
    AES_128_CCM: [23, 23.5],
    AES_128_GCM: [24.5, 28],
    CHACHA20_POLY1305: [48, 36],
  };
  for (const { aead, maxSealedRecords, maxForgedRecords } of cipherSuites) {
    const [sealed, forged] = limits[aead.replace('_256_', '_128_')] as readonly [number, number];
    assert.equal(maxSealedRecords, Math.floor(2 ** sealed));
    assert.equal(maxForgedRecords, Math.floor(2 ** forged));
  }
});

suite('alerts (RFC 5246 §7.2)', () => {
  test('what is encoded decodes', () => {
    for (const description of Object.values(AlertDescription)) {
      for (const level of ['warning', 'fatal'] as const) {
        assert.deepEqual(decodeAlert(encodeAlert(level, description)), { level, description });
      }
    }
    assert.deepEqual([...encodeAlert('fatal', AlertDescription.UnknownPskIdentity)], [2, 115]);
  });

  test('another length or level is a fault', () => {
    for (const bytes of [[], [2], [2, 40, 0], [2, 40, 2, 40], [0, 0], [3, 0], [255, 255]]) {
      assert.equal('kind' in decodeAlert(Uint8Array.from(bytes)), true, bytes.join(' '));
    }
  });

  test('an unknown description keeps its number', () => {
    assert.deepEqual(decodeAlert(Uint8Array.of(1, 200)), { level: 'warning', description: 200 });
    assert.equal(alertName(200), 'alert 200');
    assert.equal(alertName(0), 'close_notify');
    assert.equal(alertName(20), 'bad_record_mac');
    assert.equal(alertName(115), 'unknown_psk_identity');
  });
});
