/**
 * AES-CCM in WebAssembly against `node:crypto`, its lengths and places, its slots for round keys, and what it leaves behind.
 *
 * The published vectors are in `aead.test.ts`.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError, InvariantError } from '../../../src/core/foundation/errors.ts';
import {
  AesCcmKey,
  type CcmAlgorithm,
  ccmAlgorithms,
  longestInModule,
} from '../../../src/crypto/aes-ccm/aes-ccm-key.ts';
import { instantiateAesCcm } from '../../../src/crypto/aes-ccm/aes-ccm-module.ts';
import { KeySlots } from '../../../src/crypto/aes-ccm/key-slots.ts';
import { nodeAead } from '../../../src/crypto/node-aead.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { compareAead } from './compare-aead.ts';

const { COAPSULE_LONG } = process.env;
const module = instantiateAesCcm();
const algorithms = Object.keys(ccmAlgorithms) as CcmAlgorithm[];
const random = new SeededRandom(3610);
const randomBytes = (length: number): Uint8Array => random.fill(new Uint8Array(length));
const keyOf = (algorithm: CcmAlgorithm): Uint8Array => randomBytes(ccmAlgorithms[algorithm].keyLength);

suite('AES-CCM in WebAssembly', () => {
  const cases = COAPSULE_LONG === '1' ? 100_000 : 3000;
  test(`${cases} random records are those of node:crypto, at any offset, in both directions`, () => {
    let made = 0;
    while (made < cases) {
      const algorithm = random.pick(algorithms);
      const raw = keyOf(algorithm);
      const key = new AesCcmKey(module, algorithm, raw, module.payloadCapacity);
      const reference = nodeAead(algorithm, raw);
      for (let record = random.integer(20); record >= 0; record--) {
        const additionalData = randomBytes(random.integer(made % 50 === 0 ? 1000 : 70));
        const length = random.integer(made % 50 === 1 ? 5000 : 130);
        const nonce = randomBytes(7 + random.integer(7));
        compareAead(random, key, reference, nonce, additionalData, length, random.integer(40));
        made++;
      }
    }
  });

  for (const algorithm of algorithms) {
    test(`${algorithm}: payloads around every bound are those of node:crypto`, () => {
      const raw = keyOf(algorithm);
      const reference = nodeAead(algorithm, raw);
      const inModule = new AesCcmKey(module, algorithm, raw, module.payloadCapacity);
      const usual = new AesCcmKey(module, algorithm, raw);
      const lengths = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025];
      lengths.push(longestInModule - 1, longestInModule, longestInModule + 1, 4096, 65_534, 65_535);
      for (const length of lengths) {
        for (const key of [inModule, usual]) {
          compareAead(random, key, reference, randomBytes(12), randomBytes(13), length, 5);
          compareAead(random, key, reference, randomBytes(13), noBytes, length, 0);
        }
      }
      // The counter of a nonce of 13 bytes has 16 bits, that of a shorter one has more (RFC 3610 §2).
      for (const length of [65_536, 65_537, 100_000]) {
        compareAead(random, inModule, reference, randomBytes(12), randomBytes(13), length, 3);
        compareAead(random, usual, reference, randomBytes(7), randomBytes(13), length, 3);
      }
    });

    test(`${algorithm}: additional data around every bound of its encoding are those of node:crypto`, () => {
      const raw = keyOf(algorithm);
      const reference = nodeAead(algorithm, raw);
      const key = new AesCcmKey(module, algorithm, raw);
      // RFC 3610 §2.2: two bytes of length below 65,280, then six. A block holds 14 bytes beside two.
      for (const length of [0, 1, 13, 14, 15, 16, 29, 30, 31, 46, 47, 64, 65, 1000, 65_279, 65_280, 65_281]) {
        compareAead(random, key, reference, randomBytes(12), randomBytes(length), 20, 1);
        compareAead(random, key, reference, randomBytes(13), randomBytes(length), 0, 1);
      }
      for (const length of [module.additionalDataCapacity, module.additionalDataCapacity + 1, 200_000]) {
        compareAead(random, key, reference, randomBytes(12), randomBytes(length), 20, 1);
      }
    });
  }

  test('with a nonce of 13 bytes a payload above 65,535 bytes is a misuse to seal, and refused to open', () => {
    for (const longest of [longestInModule, module.payloadCapacity]) {
      const key = new AesCcmKey(module, 'AES_128_CCM_8', keyOf('AES_128_CCM_8'), longest);
      const buffer = new Uint8Array(65_536 + 8);
      assert.throws(
        () => key.seal(new Uint8Array(13), noBytes, buffer, 0, 65_536),
        (error) => error instanceof ApiMisuseError && /65536.*65535/.test(error.message),
      );
      assert.equal(key.open(new Uint8Array(13), noBytes, buffer, 0, 65_544), -1);
      assert.deepEqual(buffer, new Uint8Array(65_544));
    }
  });

  test('a nonce of 6 or 14 bytes is a misuse', () => {
    const key = new AesCcmKey(module, 'AES_128_CCM_8', keyOf('AES_128_CCM_8'));
    for (const length of [0, 6, 14, 16]) {
      const nonce = new Uint8Array(length);
      assert.throws(() => key.seal(nonce, noBytes, new Uint8Array(20), 0, 4), ApiMisuseError);
      assert.throws(() => key.open(nonce, noBytes, new Uint8Array(20), 0, 12), ApiMisuseError);
    }
  });

  test('places outside of the buffer, and numbers that are no places, are refused before anything is done', () => {
    const key = new AesCcmKey(module, 'AES_128_CCM', keyOf('AES_128_CCM'));
    const nonce = new Uint8Array(12);
    const buffer = new Uint8Array(40);
    for (const [offset, length] of [
      [0, 25],
      [25, 0],
      [-1, 4],
      [0, -1],
      [0, -17],
      [0.5, 4],
      [0, 4.5],
      [Number.NaN, 4],
      [0, Number.NaN],
      [2 ** 32, 4],
      [0, 2 ** 32],
    ] as const) {
      assert.throws(() => key.seal(nonce, noBytes, buffer, offset, length), ApiMisuseError);
      assert.equal(key.open(nonce, noBytes, buffer, offset, length + 16), -1);
    }
    assert.deepEqual(buffer, new Uint8Array(40));
    assert.throws(
      () => new AesCcmKey(module, 'AES_128_CCM', new Uint8Array(16), module.payloadCapacity + 1),
      InvariantError,
    );
  });

  test('a view in the midst of a larger buffer is opened and sealed there', () => {
    const raw = keyOf('AES_128_CCM_8');
    const key = new AesCcmKey(module, 'AES_128_CCM_8', raw);
    for (const length of [5, 100, 2000]) {
      const memory = new Uint8Array(length + 60).fill(0x5a);
      const view = memory.subarray(17, 17 + length + 11);
      key.seal(new Uint8Array(12), noBytes, view, 3, length);
      const expected = new Uint8Array(length + 8).fill(0x5a);
      nodeAead('AES_128_CCM_8', raw).seal(new Uint8Array(12), noBytes, expected, 0, length);
      assert.deepEqual(view.slice(3), expected);
      assert.ok(memory.subarray(0, 20).every((byte) => byte === 0x5a));
      assert.ok(memory.subarray(28 + length).every((byte) => byte === 0x5a));
    }
  });

  test('neither a plaintext nor a raw key is left in the memory of the module', () => {
    const remains = (byte: number): boolean =>
      Buffer.from(module.memory.buffer).includes(Buffer.alloc(12, byte));
    for (const algorithm of algorithms) {
      const raw = new Uint8Array(ccmAlgorithms[algorithm].keyLength).fill(0xd7);
      const key = new AesCcmKey(module, algorithm, raw);
      for (const length of [40, 64, 65, 300, longestInModule]) {
        const secret = new Uint8Array(length).fill(0xc3);
        const record = new Uint8Array(length + key.tagLength);
        record.set(secret);
        key.seal(new Uint8Array(12), noBytes, record, 0, length);
        const forged = record.slice();
        forged[length] = (forged[length] as number) ^ 1;
        assert.equal(key.open(new Uint8Array(12), noBytes, forged, 0, forged.length), -1);
        assert.ok(!remains(0xc3), 'after a record that was refused');
        assert.equal(key.open(new Uint8Array(12), noBytes, record, 0, record.length), length);
        assert.ok(!remains(0xc3), 'after a record that was opened');
      }
      assert.ok(!remains(0xd7));
    }
  });

  test('the longest record and the longest additional data touch neither tables nor round keys of others', () => {
    const own = instantiateAesCcm();
    const raw = keyOf('AES_256_CCM');
    const key = new AesCcmKey(own, 'AES_256_CCM', raw, own.payloadCapacity);
    const buffer = randomBytes(own.payloadCapacity + 16);
    key.seal(new Uint8Array(12), noBytes, buffer, 0, 0);
    const tables = own.memory.slice(0, 1024);
    const slots = own.memory.slice(own.slotsAt);
    const additionalData = randomBytes(own.additionalDataCapacity);
    key.seal(new Uint8Array(12), additionalData, buffer, 0, own.payloadCapacity);
    assert.equal(key.open(new Uint8Array(12), additionalData, buffer, 0, buffer.length), own.payloadCapacity);
    assert.ok(Buffer.compare(own.memory.subarray(0, 1024), tables) === 0);
    assert.ok(Buffer.compare(own.memory.subarray(own.slotsAt), slots) === 0);
  });
});

suite('slots of round keys', () => {
  test('a key that rests leaves nothing of itself, disturbs no other, and can be used again', () => {
    const own = instantiateAesCcm();
    const nonce = new Uint8Array(12);
    const isEmpty = (slot: number): boolean => {
      const start = own.slotsAt + slot * own.slotLength;
      return own.memory.subarray(start, start + own.slotLength).every((byte) => byte === 0);
    };
    const resting = new AesCcmKey(own, 'AES_256_CCM', keyOf('AES_256_CCM'));
    const other = new AesCcmKey(own, 'AES_128_CCM_8', keyOf('AES_128_CCM_8'));
    const record = new Uint8Array(20 + resting.tagLength);
    resting.seal(nonce, noBytes, record, 0, 20);
    const sealedByOther = new Uint8Array(20 + other.tagLength);
    other.seal(nonce, noBytes, sealedByOther, 0, 20);
    assert.deepEqual([isEmpty(0), isEmpty(1)], [false, false]);
    resting.rest();
    resting.rest();
    assert.deepEqual([isEmpty(0), isEmpty(1)], [true, false]);
    assert.equal(resting.open(nonce, noBytes, record, 0, record.length), 20);
    assert.equal(other.open(nonce, noBytes, sealedByOther, 0, sealedByOther.length), 20);
  });

  test('a key that rests after another took its slot leaves it alone', () => {
    const own = instantiateAesCcm();
    const nonce = new Uint8Array(12);
    const first = new AesCcmKey(own, 'AES_128_CCM_8', keyOf('AES_128_CCM_8'));
    const record = new Uint8Array(8);
    first.seal(nonce, noBytes, record, 0, 0);
    for (let i = 0; i < own.slots.owners.length; i++) {
      new AesCcmKey(own, 'AES_128_CCM_8', keyOf('AES_128_CCM_8')).seal(nonce, noBytes, record, 0, 0);
    }
    const before = own.memory.slice(own.slotsAt);
    first.rest();
    assert.ok(Buffer.compare(own.memory.subarray(own.slotsAt), before) === 0);
  });

  test('more keys than slots, used in turn and at random, each stay themselves', () => {
    const own = instantiateAesCcm();
    const count = own.slots.owners.length + 300;
    const nonce = new Uint8Array(12);
    const keys = Array.from({ length: count }, (_, index) => {
      const algorithm = algorithms[index % 4] as CcmAlgorithm;
      const raw = keyOf(algorithm);
      const expected = new Uint8Array(20 + ccmAlgorithms[algorithm].tagLength);
      nodeAead(algorithm, raw).seal(nonce, noBytes, expected, 0, 20);
      return { key: new AesCcmKey(own, algorithm, raw), expected };
    });
    const check = (index: number): void => {
      const { key, expected } = keys[index] as (typeof keys)[number];
      const record = expected.slice();
      assert.equal(key.open(nonce, noBytes, record, 0, record.length), 20);
      key.seal(nonce, noBytes, record, 0, 20);
      assert.ok(Buffer.compare(record, expected) === 0);
    };
    for (let round = 0; round < 2; round++) for (let index = 0; index < count; index++) check(index);
    for (let turn = 0; turn < 2 * count; turn++) check(random.integer(count));
  });

  test('a key that is used all the time keeps its slot while others come and go', () => {
    const slots = new KeySlots(8);
    const hot = slots.newOwner();
    const slot = slots.claim(hot);
    for (let turn = 0; turn < 100; turn++) {
      slots.used[slot] = 1;
      slots.claim(slots.newOwner());
      assert.equal(slots.owners[slot], hot);
    }
    for (let turn = 0; turn < 16; turn++) slots.claim(slots.newOwner());
    assert.notEqual(slots.owners[slot], hot);
  });

  test('slots are given out in order first, and no two keys have the same number', () => {
    const slots = new KeySlots(4);
    const owners = [1, 2, 3, 4].map(() => slots.newOwner());
    assert.deepEqual(owners, [1, 2, 3, 4]);
    assert.deepEqual(
      owners.map((owner) => slots.claim(owner)),
      [0, 1, 2, 3],
    );
  });
});
