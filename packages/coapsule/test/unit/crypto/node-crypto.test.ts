/**
 * Key agreement of the Node.js provider: RFC 5903, RFC 7748, Wycheproof. Hashes and HMAC are in `hash.test.ts`.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { concatBytes, noBytes, toHex } from '../../../src/core/foundation/bytes.ts';
import type { NamedGroup } from '../../../src/core/foundation/crypto-provider.ts';
import { randomFraction } from '../../../src/core/foundation/random-source.ts';
import { nodeCrypto } from '../../../src/crypto/node-crypto.ts';
import { nodeKeyShareOf } from '../../../src/crypto/node-key-share.ts';
import { systemRandom } from '../../../src/node/system-random.ts';
import { hex, readVectors, type WycheproofFile } from './vector-files.ts';

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
