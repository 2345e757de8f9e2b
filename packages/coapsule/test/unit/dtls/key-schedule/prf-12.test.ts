/**
 * The TLS 1.2 key schedule against published vectors, and its inputs at their edges.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { suiteByName } from '../../../../src/core/dtls/cipher-suites.ts';
import {
  keyBlock,
  masterSecret,
  prf12,
  pskPremasterSecret,
} from '../../../../src/core/dtls/key-schedule/prf-12.ts';
import { noBytes, toHex } from '../../../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../../../src/core/foundation/errors.ts';
import { choose, instantiateModules } from '../../../../src/crypto/fast-crypto.ts';
import { nodeCrypto } from '../../../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../../../src/testing/seeded-random.ts';
import { hex, readVectors } from '../../crypto/vector-files.ts';

suite('PRF of TLS 1.2 (RFC 5246 §5)', () => {
  interface PrfVector {
    readonly source: string;
    readonly hash: 'SHA256' | 'SHA384';
    readonly secret: string;
    readonly label: string;
    readonly seed: string;
    readonly output: string;
  }
  const { vectors } = readVectors<{ vectors: PrfVector[] }>('crypto/tls12-prf.json');
  assert.equal(vectors.length, 6);

  const { provider: fast } = choose({}, instantiateModules);
  for (const [index, vector] of vectors.entries()) {
    test(`vector ${index + 1}: ${vector.source}`, () => {
      const hash = vector.hash === 'SHA256' ? 'SHA-256' : 'SHA-384';
      const length = vector.output.length / 2;
      for (const crypto of [nodeCrypto, fast]) {
        const output = prf12(crypto, hash, hex(vector.secret), vector.label, hex(vector.seed), length);
        assert.equal(toHex(output), vector.output);
      }
    });
  }

  test('with WebAssembly it is that of node:crypto for secrets, seeds and outputs of any length', () => {
    const random = new SeededRandom(5246);
    const bytes = (length: number): Uint8Array => random.fill(new Uint8Array(length));
    for (let i = 0; i < 300; i++) {
      const secret = bytes(random.integer(150));
      const seed = bytes(i % 20 === 0 ? 1000 + random.integer(20_000) : random.integer(200));
      const [one, other] = [nodeCrypto, fast].map((crypto) =>
        prf12(crypto, 'SHA-256', secret, 'label', seed, i % 140),
      );
      assert.deepEqual(one, other);
    }
  });

  test('a shorter output is the beginning of a longer one', () => {
    const long = prf12(nodeCrypto, 'SHA-256', hex('01'), 'label', hex('02'), 100);
    for (const length of [0, 1, 31, 32, 33, 64, 65, 99]) {
      assert.deepEqual(
        prf12(nodeCrypto, 'SHA-256', hex('01'), 'label', hex('02'), length),
        long.slice(0, length),
      );
    }
  });

  test('an empty secret and an empty seed work', () => {
    assert.equal(prf12(nodeCrypto, 'SHA-256', noBytes, 'x', noBytes, 48).length, 48);
  });
});

suite('premaster secret of a PSK', () => {
  test('RFC 4279 §2: with plain PSK the other secret is as many zeros as the PSK has bytes', () => {
    assert.equal(toHex(pskPremasterSecret(hex('aabbcc'))), '00030000000003aabbcc');
  });

  test('RFC 5489 §2: with ECDHE_PSK the other secret is the ECDH secret, at its own length', () => {
    assert.equal(toHex(pskPremasterSecret(hex('aabbcc'), hex('0102030405'))), '000501020304050003aabbcc');
  });

  test('a PSK of 0 and of 65,535 bytes fits, a longer one is a misuse', () => {
    assert.equal(toHex(pskPremasterSecret(noBytes)), '00000000');
    assert.equal(pskPremasterSecret(new Uint8Array(65_535)).length, 2 * 65_537);
    assert.throws(() => pskPremasterSecret(new Uint8Array(65_536)), ApiMisuseError);
    assert.throws(() => pskPremasterSecret(hex('aa'), new Uint8Array(65_536)), ApiMisuseError);
  });
});

suite('key block (RFC 5246 §6.3)', () => {
  test('the Illustrated TLS 1.2 Connection: client key, server key, client IV, server IV', () => {
    const clientRandom = hex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
    const serverRandom = hex('707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f');
    const premaster = hex('df4a291baa1eb7cfa6934b29b474baad2697e29f1f920dcc77c8a0a088447624');
    const master = masterSecret(nodeCrypto, 'SHA-256', premaster, clientRandom, serverRandom);
    assert.match(toHex(master), /^916abf9da55973e13614ae0a3f5d3f37/);
    const suite = suiteByName('TLS_PSK_WITH_AES_128_GCM_SHA256');
    assert.ok(suite);
    const keys = keyBlock(nodeCrypto, suite, master, clientRandom, serverRandom);
    assert.equal(toHex(keys.clientWriteKey), '1b7d117c7d5f690bc263cae8ef60af0f');
    assert.equal(toHex(keys.serverWriteKey), '1878acc22ad8bdd8c601a617126f6354');
    assert.equal(toHex(keys.clientWriteIv), '0eb20906');
    assert.equal(toHex(keys.serverWriteIv), 'f781fad2');
  });

  test('ChaCha20 suites get keys of 32 and IVs of 12 bytes (RFC 7905 §2)', () => {
    const suite = suiteByName('TLS_PSK_WITH_CHACHA20_POLY1305_SHA256');
    assert.ok(suite);
    const keys = keyBlock(nodeCrypto, suite, hex('00'), hex('01'), hex('02'));
    const block = toHex(prf12(nodeCrypto, 'SHA-256', hex('00'), 'key expansion', hex('0201'), 88));
    const joined = [keys.clientWriteKey, keys.serverWriteKey, keys.clientWriteIv, keys.serverWriteIv];
    assert.deepEqual(
      joined.map((part) => part.length),
      [32, 32, 12, 12],
    );
    assert.equal(joined.map(toHex).join(''), block);
  });
});
