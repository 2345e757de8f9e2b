/**
 * Hashes and HMAC with each provider: FIPS 180-4 (RFC 6234), RFC 4231, Wycheproof; and SHA-256 in WebAssembly against
 * `node:crypto`.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import type { CryptoProvider, HashAlgorithm } from '../../../src/core/foundation/crypto-provider.ts';
import { encodeUtf8 } from '../../../src/core/foundation/utf8.ts';
import { choose, instantiateModules } from '../../../src/crypto/fast-crypto.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { HmacSha256, Sha256, sha256 } from '../../../src/crypto/sha-256/sha-256.ts';
import { instantiateSha256 } from '../../../src/crypto/sha-256/sha-256-module.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { hex, readVectors, type WycheproofFile } from './vector-files.ts';

/** Digests of "abc" (RFC 6234 §8.5). */
const abc: Readonly<Record<HashAlgorithm, string>> = {
  'SHA-256': 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  'SHA-384':
    'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7',
  'SHA-512':
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
};

const fast = choose({}, instantiateModules);

test('the module of SHA-256 is there', () => {
  assert.ok(fast.provider.hash('SHA-256') instanceof Sha256);
  assert.ok(fast.provider.hmac('SHA-256', noBytes) instanceof HmacSha256);
});

const providers: readonly (readonly [maker: string, provider: CryptoProvider])[] = [
  ['node:crypto', nodeCrypto],
  ['WebAssembly', fast.provider],
];
for (const [maker, crypto] of providers) testProvider(maker, crypto);

function testProvider(maker: string, crypto: CryptoProvider): void {
  suite(`hashes of ${maker}`, () => {
    for (const [algorithm, expected] of Object.entries(abc) as [HashAlgorithm, string][]) {
      test(`${algorithm}: parts are joined in order`, () => {
        assert.equal(toHex(crypto.digest(algorithm, encodeUtf8('abc'))), expected);
        assert.equal(toHex(crypto.digest(algorithm, encodeUtf8('a'), noBytes, encodeUtf8('bc'))), expected);
      });

      test(`${algorithm}: a running hash gives its digest at any point and goes on`, () => {
        const running = crypto.hash(algorithm);
        assert.deepEqual(running.digest(), crypto.digest(algorithm));
        running.update(encodeUtf8('ab'));
        assert.deepEqual(running.digest(), crypto.digest(algorithm, encodeUtf8('ab')));
        assert.deepEqual(running.digest(), running.digest());
        running.update(encodeUtf8('c'));
        assert.equal(toHex(running.digest()), expected);
      });
    }
  });

  suite(`HMAC of ${maker}`, () => {
    test('RFC 4231 test case 2 for SHA-256, SHA-384 and SHA-512', () => {
      const expected: Readonly<Record<HashAlgorithm, string>> = {
        'SHA-256': '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
        'SHA-384':
          'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
        'SHA-512':
          '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
      };
      for (const [algorithm, mac] of Object.entries(expected) as [HashAlgorithm, string][]) {
        const key = crypto.hmac(algorithm, encodeUtf8('Jefe'));
        assert.equal(toHex(key.sign(encodeUtf8('what do ya want '), encodeUtf8('for nothing?'))), mac);
      }
    });

    test('a key of length zero works, as RFC 2104 allows', () => {
      // RFC 2104 §2: a short key is padded with zeros, so the empty key equals one zero byte.
      const empty = crypto.hmac('SHA-256', noBytes).sign(encodeUtf8('data'));
      assert.deepEqual(empty, crypto.hmac('SHA-256', Uint8Array.of(0)).sign(encodeUtf8('data')));
      assert.equal(empty.length, 32);
    });

    test('174 Wycheproof HMAC-SHA256 vectors', () => {
      interface Case {
        readonly key: string;
        readonly msg: string;
        readonly tag: string;
      }
      let count = 0;
      const file = readVectors<WycheproofFile<{ tagSize: number }, Case>>('wycheproof/hmac_sha256_test.json');
      for (const group of file.testGroups) {
        for (const one of group.tests) {
          count++;
          const mac = crypto
            .hmac('SHA-256', hex(one.key))
            .sign(hex(one.msg))
            .subarray(0, group.tagSize / 8);
          assert.equal(toHex(mac) === one.tag, one.result === 'valid', `${one.tcId} ${one.comment}`);
        }
      }
      assert.equal(count, 174);
    });
  });
}

suite('SHA-256 in WebAssembly', () => {
  const module = instantiateSha256();
  const random = new SeededRandom(180_4);
  const randomBytes = (length: number): Uint8Array => random.fill(new Uint8Array(length));

  test('the examples of FIPS 180-4: one block, two blocks, a million times "a" (RFC 6234 §8.5)', () => {
    const twoBlocks = 'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq';
    const expected: readonly [text: Uint8Array, digest: string][] = [
      [noBytes, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
      [encodeUtf8('abc'), abc['SHA-256']],
      [encodeUtf8(twoBlocks), '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1'],
      [
        new Uint8Array(1_000_000).fill(0x61),
        'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
      ],
    ];
    for (const [text, digest] of expected) {
      assert.equal(toHex(sha256(module, [text])), digest);
      const running = new Sha256(module);
      running.update(text);
      assert.equal(toHex(running.digest()), digest);
    }
  });

  test('every length from 0 to 300, and lengths around the room in the module, are those of node:crypto', () => {
    const lengths = Array.from({ length: 301 }, (_, length) => length);
    for (const around of [module.messageCapacity, 2 * module.messageCapacity]) {
      lengths.push(around - 65, around - 64, around - 9, around - 1, around, around + 1, around + 64);
    }
    const key = randomBytes(48);
    for (const length of lengths) {
      const text = randomBytes(length);
      const digest = nodeCrypto.digest('SHA-256', text);
      assert.deepEqual(sha256(module, [text]), digest, `${length}`);
      const running = new Sha256(module);
      running.update(text);
      assert.deepEqual(running.digest(), digest, `${length}`);
      const mac = nodeCrypto.hmac('SHA-256', key).sign(text);
      assert.deepEqual(new HmacSha256(module, key).sign(text), mac, `${length}`);
    }
  });

  const cases = process.env['COAPSULE_LONG'] === '1' ? 50_000 : 2000;
  test(`${cases} random messages in parts, and keys of any length, are those of node:crypto`, () => {
    const running: { ours: Sha256; node: ReturnType<CryptoProvider['hash']> }[] = [];
    for (let made = 0; made < cases; made++) {
      const parts = Array.from({ length: random.integer(4) }, () =>
        randomBytes(random.integer(made % 100 === 0 ? 20_000 : 150)),
      );
      assert.deepEqual(sha256(module, parts), nodeCrypto.digest('SHA-256', ...parts));
      const key = randomBytes(random.integer(200));
      const mac = new HmacSha256(module, key);
      assert.deepEqual(mac.sign(...parts), nodeCrypto.hmac('SHA-256', key).sign(...parts));
      assert.deepEqual(mac.sign(key), nodeCrypto.hmac('SHA-256', key).sign(key));
      // Several hashes go on side by side, and share nothing.
      if (running.length < 8) running.push({ ours: new Sha256(module), node: nodeCrypto.hash('SHA-256') });
      const one = random.pick(running);
      for (const part of parts) {
        one.ours.update(part);
        one.node.update(part);
      }
      assert.deepEqual(one.ours.digest(), one.node.digest());
      if (made % 50 === 0) running.shift();
    }
  });

  test('neither a message, nor a key, nor a digest is left in the memory of the module', () => {
    const clean = instantiateSha256().memory;
    const own = instantiateSha256();
    for (const length of [40, 64, 100, 1000, own.messageCapacity, own.messageCapacity + 100]) {
      const text = randomBytes(length);
      sha256(own, [text]);
      assert.ok(Buffer.compare(own.memory, clean) === 0, `digest of ${length} bytes`);
      const running = new Sha256(own);
      running.update(text);
      running.update(text);
      running.digest();
      assert.ok(Buffer.compare(own.memory, clean) === 0, `running hash of ${length} bytes`);
      new HmacSha256(own, text).sign(text);
      assert.ok(Buffer.compare(own.memory, clean) === 0, `HMAC of ${length} bytes`);
    }
  });
});
