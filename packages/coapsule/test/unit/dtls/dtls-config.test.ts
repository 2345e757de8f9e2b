import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { cipherSuites } from '../../../src/core/dtls/cipher-suites.ts';
import { checkDtlsConfig, type DtlsConfig } from '../../../src/core/dtls/dtls-config.ts';
import { DtlsLayer } from '../../../src/core/dtls/dtls-layer.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import { ipAddress } from '../../../src/core/foundation/peer-address.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';

suite('the settings of the DTLS layer', () => {
  test('prefer the mandatory suite and what capture tools decrypt, then forward secrecy, ChaCha20 last; and leave no suite out', () => {
    const names = checkDtlsConfig().suites.map(({ name }) => name);
    assert.deepEqual(names, [
      'TLS_PSK_WITH_AES_128_CCM_8',
      'TLS_PSK_WITH_AES_128_CCM',
      'TLS_PSK_WITH_AES_128_GCM_SHA256',
      'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
      'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
      'TLS_ECDHE_ECDSA_WITH_AES_128_CCM',
      'TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256',
      'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
      'TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256',
      'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
      'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256',
      'TLS_PSK_WITH_CHACHA20_POLY1305_SHA256',
      'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
      'TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8',
      'TLS_ECDHE_ECDSA_WITH_AES_256_CCM',
      'TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384',
      'TLS_PSK_WITH_AES_256_GCM_SHA384',
      'TLS_PSK_WITH_AES_256_CCM_8',
      'TLS_PSK_WITH_AES_256_CCM',
      'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
      'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
      'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    ]);
    assert.deepEqual([...names].sort(), cipherSuites.map(({ name }) => name).sort());
  });

  test('have the defaults of the RFCs', () => {
    const config = checkDtlsConfig();
    assert.equal(config.maxHandshakesPerHost, 250);
    assert.equal(checkDtlsConfig({ maxHandshakes: 10 }).maxHandshakesPerHost, 8);
    assert.equal(config.mtu, 1232);
    assert.equal(config.initialTimeoutMs, 1000);
    assert.equal(config.maxTimeoutMs, 60_000);
    assert.equal(config.handshakeTimeoutMs, 120_000);
    assert.equal(config.handshakeStallMs, 15_000);
    assert.equal(config.keylog, false);
    assert.ok(Object.isFrozen(config));
  });

  test('contain no CBC, NULL or anonymous suite', () => {
    for (const { name } of cipherSuites)
      assert.match(
        name,
        /^TLS_(PSK|ECDHE_(PSK|ECDSA|RSA))_WITH_(AES_(128|256)_(CCM(_8)?|GCM)|CHACHA20_POLY1305)(_SHA256|_SHA384)?$/,
      );
  });

  const bad: readonly [string, object][] = [
    ['mtu', { mtu: 127 }],
    ['mtu', { mtu: 65_508 }],
    ['mtu', { mtu: Number.NaN }],
    ['initialTimeoutMs', { initialTimeoutMs: 0 }],
    ['initialTimeoutMs', { initialTimeoutMs: 2000, maxTimeoutMs: 1000 }],
    ['handshakeTimeoutMs', { handshakeTimeoutMs: -1 }],
    ['handshakeRate', { handshakeRate: 0 }],
    ['maxAttemptDelayMs', { maxAttemptDelayMs: -1 }],
    ['maxHandshakes', { maxHandshakes: 0 }],
    ['maxHandshakesPerHost', { maxHandshakesPerHost: 0 }],
    ['maxAssociations', { maxAssociations: 0 }],
    ['suites', { suites: [] }],
    ['suites', { suites: ['TLS_RSA_WITH_NULL_MD5'] }],
    ['connectionIdLength', { connectionIdLength: 21 }],
    ['connectionIdLength', { connectionIdLength: -1 }],
    ['maxRecordSize', { maxRecordSize: 63 }],
    ['maxRecordSize', { maxRecordSize: 16_385 }],
    ['protocols', { protocols: [''] }],
    ['protocols', { protocols: ['x'.repeat(256)] }],
    ['sessionLifetimeMs', { sessionLifetimeMs: 0 }],
    ['pskIdentityHint', { pskIdentityHint: new Uint8Array(1025) }],
  ];
  for (const [name, config] of bad) {
    test(`refuse ${JSON.stringify(config).slice(0, 60)}, naming ${name}`, () => {
      assert.throws(
        () => checkDtlsConfig(config as Partial<DtlsConfig>),
        (error) => error instanceof ApiMisuseError && error.message.startsWith(`${name}: got `),
      );
    });
  }

  test('a layer that is a server only does not connect', () => {
    const layer = new DtlsLayer({ role: 'server', crypto: nodeCrypto, random: new SeededRandom(1) });
    assert.throws(() => layer.connect(ipAddress('192.0.2.1', 5684), {}, instant(0)), ApiMisuseError);
  });
});
