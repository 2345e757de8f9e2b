/**
 * Hashes, HMAC and key agreement of the Node.js provider: RFC 4231, RFC 5903, RFC 7748, Wycheproof.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { concatBytes, noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import type { HashAlgorithm, NamedGroup } from '../../../src/core/foundation/crypto-provider.ts';
import { randomFraction } from '../../../src/core/foundation/random-source.ts';
import { encodeUtf8 } from '../../../src/core/foundation/utf8.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { nodeKeyShareOf } from '../../../src/crypto/node-key-share.ts';
import { systemRandom } from '../../../src/node/system-random.ts';
import { hex, readVectors, type WycheproofFile } from './vector-files.ts';

/** Digests of "abc" (RFC 6234 §8.5). */
const abc: Readonly<Record<HashAlgorithm, string>> = {
  'SHA-256': 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  'SHA-384':
    'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7',
  'SHA-512':
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
};

suite('hashes', () => {
  for (const [algorithm, expected] of Object.entries(abc) as [HashAlgorithm, string][]) {
    test(`${algorithm}: parts are joined in order`, () => {
      assert.equal(toHex(nodeCrypto.digest(algorithm, encodeUtf8('abc'))), expected);
      assert.equal(toHex(nodeCrypto.digest(algorithm, encodeUtf8('a'), noBytes, encodeUtf8('bc'))), expected);
    });

    test(`${algorithm}: a running hash gives its digest at any point and goes on`, () => {
      const running = nodeCrypto.hash(algorithm);
      assert.deepEqual(running.digest(), nodeCrypto.digest(algorithm));
      running.update(encodeUtf8('ab'));
      assert.deepEqual(running.digest(), nodeCrypto.digest(algorithm, encodeUtf8('ab')));
      assert.deepEqual(running.digest(), running.digest());
      running.update(encodeUtf8('c'));
      assert.equal(toHex(running.digest()), expected);
    });
  }
});

suite('HMAC', () => {
  test('RFC 4231 test case 2 for SHA-256, SHA-384 and SHA-512', () => {
    const expected: Readonly<Record<HashAlgorithm, string>> = {
      'SHA-256': '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      'SHA-384':
        'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
      'SHA-512':
        '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
    };
    for (const [algorithm, mac] of Object.entries(expected) as [HashAlgorithm, string][]) {
      const key = nodeCrypto.hmac(algorithm, encodeUtf8('Jefe'));
      assert.equal(toHex(key.sign(encodeUtf8('what do ya want '), encodeUtf8('for nothing?'))), mac);
    }
  });

  test('a key of length zero works, as RFC 2104 allows', () => {
    // RFC 2104 §2: a short key is padded with zeros, so the empty key equals one zero byte.
    const empty = nodeCrypto.hmac('SHA-256', noBytes).sign(encodeUtf8('data'));
    assert.deepEqual(empty, nodeCrypto.hmac('SHA-256', Uint8Array.of(0)).sign(encodeUtf8('data')));
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
        const mac = nodeCrypto
          .hmac('SHA-256', hex(one.key))
          .sign(hex(one.msg))
          .subarray(0, group.tagSize / 8);
        assert.equal(toHex(mac) === one.tag, one.result === 'valid', `${one.tcId} ${one.comment}`);
      }
    }
    assert.equal(count, 174);
  });
});

suite('key agreement', () => {
  const publicLengths: Readonly<Record<NamedGroup, number>> = { secp256r1: 65, x25519: 32, secp384r1: 97 };
  const secretLengths: Readonly<Record<NamedGroup, number>> = { secp256r1: 32, x25519: 32, secp384r1: 48 };
  const groups = Object.keys(publicLengths) as NamedGroup[];

  for (const group of groups) {
    test(`${group}: two sides agree, and each key pair is fresh`, () => {
      const ours = nodeCrypto.keyShare(group);
      const theirs = nodeCrypto.keyShare(group);
      assert.equal(ours.publicKey.length, publicLengths[group]);
      assert.notDeepEqual(ours.publicKey, theirs.publicKey);
      const secret = ours.agree(theirs.publicKey);
      assert.equal(secret?.length, secretLengths[group]);
      assert.deepEqual(secret, theirs.agree(ours.publicKey));
    });

    test(`${group}: what is no public key gives no secret and does not throw`, () => {
      const share = nodeCrypto.keyShare(group);
      const length = publicLengths[group];
      for (const wrong of [0, 1, length - 1, length + 1, 2 * length, 65_535]) {
        assert.equal(share.agree(new Uint8Array(wrong).fill(4)), undefined);
      }
      assert.equal(share.agree(new Uint8Array(length)), undefined);
    });
  }

  test('P-256: a compressed point and the point at infinity are refused (RFC 8422 §5.4.1)', () => {
    const share = nodeCrypto.keyShare('secp256r1');
    const peer = nodeCrypto.keyShare('secp256r1').publicKey;
    assert.ok(share.agree(peer));
    for (const compressed of [2, 3]) {
      assert.equal(share.agree(concatBytes(Uint8Array.of(compressed), peer.subarray(1, 33))), undefined);
      // The hybrid forms 6 and 7 have the length of the uncompressed one.
      assert.equal(share.agree(concatBytes(Uint8Array.of(compressed + 4), peer.subarray(1))), undefined);
    }
    assert.equal(share.agree(Uint8Array.of(0)), undefined);
  });

  test('P-256: a point that is not on the curve is refused', () => {
    const share = nodeCrypto.keyShare('secp256r1');
    const off = nodeCrypto.keyShare('secp256r1').publicKey.slice();
    off[64] = (off[64] as number) ^ 1;
    assert.equal(share.agree(off), undefined);
  });

  test('RFC 5903 §8.1: both sides of the P-256 example', () => {
    interface Point {
      readonly x: string;
      readonly y: string;
    }
    const vector = readVectors<{
      private_i: string;
      public_i: Point;
      private_r: string;
      public_r: Point;
      shared_x: string;
    }>('crypto/ecdh-p256-rfc5903.json');
    const initiator = nodeKeyShareOf('secp256r1', hex(vector.private_i));
    const responder = nodeKeyShareOf('secp256r1', hex(vector.private_r));
    assert.equal(toHex(initiator.publicKey), `04${vector.public_i.x}${vector.public_i.y}`);
    assert.equal(toHex(responder.publicKey), `04${vector.public_r.x}${vector.public_r.y}`);
    assert.equal(toHex(initiator.agree(responder.publicKey) ?? noBytes), vector.shared_x);
    assert.equal(toHex(responder.agree(initiator.publicKey) ?? noBytes), vector.shared_x);
  });

  test('RFC 7748 §6.1: both sides of the X25519 example', () => {
    const alice = nodeKeyShareOf(
      'x25519',
      hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'),
    );
    const bob = nodeKeyShareOf(
      'x25519',
      hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'),
    );
    assert.equal(toHex(alice.publicKey), '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
    assert.equal(toHex(bob.publicKey), 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
    const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
    assert.equal(toHex(alice.agree(bob.publicKey) ?? noBytes), shared);
    assert.equal(toHex(bob.agree(alice.publicKey) ?? noBytes), shared);
  });

  interface AgreementCase {
    readonly public: string;
    readonly private: string;
    readonly shared: string;
  }

  test('518 Wycheproof X25519 vectors; an all-zero secret is refused', () => {
    let count = 0;
    const file = readVectors<WycheproofFile<object, AgreementCase>>('wycheproof/x25519_test.json');
    for (const one of file.testGroups.flatMap(({ tests }) => tests)) {
      count++;
      const secret = nodeKeyShareOf('x25519', hex(one.private)).agree(hex(one.public));
      const zero = /^0+$/.test(one.shared);
      assert.equal(secret && toHex(secret), zero ? undefined : one.shared, `${one.tcId} ${one.comment}`);
    }
    assert.equal(count, 518);
  });

  test('355 Wycheproof P-256 vectors; only the uncompressed form is taken', () => {
    let count = 0;
    const file = readVectors<WycheproofFile<object, AgreementCase>>(
      'wycheproof/ecdh_secp256r1_ecpoint_test.json',
    );
    for (const one of file.testGroups.flatMap(({ tests }) => tests)) {
      count++;
      // Some private keys have a leading zero or lack one.
      const privateKey = hex(one.private.padStart(64, '0').slice(-64));
      const secret = nodeKeyShareOf('secp256r1', privateKey).agree(hex(one.public));
      const refused = one.result !== 'valid' || !one.public.startsWith('04');
      assert.equal(secret && toHex(secret), refused ? undefined : one.shared, `${one.tcId} ${one.comment}`);
    }
    assert.equal(count, 355);
  });
});

test('what the provider returns are plain arrays: `slice` copies', () => {
  const share = nodeCrypto.keyShare('secp256r1');
  const results = [
    nodeCrypto.digest('SHA-256'),
    nodeCrypto.hash('SHA-256').digest(),
    nodeCrypto.hmac('SHA-256', noBytes).sign(),
    share.publicKey,
    share.agree(nodeCrypto.keyShare('secp256r1').publicKey),
    nodeCrypto.keyShare('x25519').publicKey,
    nodeCrypto.keyShare('x25519').agree(nodeCrypto.keyShare('x25519').publicKey),
  ];
  for (const result of results) assert.equal(Object.getPrototypeOf(result), Uint8Array.prototype);
});

test('the system random source fills all it is given, and not twice the same', () => {
  const bytes = new Uint8Array(70_000);
  assert.equal(systemRandom.fill(bytes), bytes);
  assert.ok(bytes.subarray(-64).some((byte) => byte !== 0));
  assert.notDeepEqual(systemRandom.fill(new Uint8Array(32)), systemRandom.fill(new Uint8Array(32)));
  const part = new Uint8Array(8);
  systemRandom.fill(part.subarray(2, 6));
  assert.deepEqual([...part.subarray(0, 2), ...part.subarray(6)], [0, 0, 0, 0]);
  const fraction = randomFraction(systemRandom);
  assert.ok(fraction >= 0 && fraction < 1);
});
