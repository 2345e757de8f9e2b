/**
 * AES-CCM put together of ECB and CBC against OpenSSL's own, record after record under keys that keep their ciphers.
 *
 * The published vectors are in `aead.test.ts`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noBytes } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';
import { type CcmAlgorithm, ccmAlgorithms } from '../../../src/crypto/aes-ccm/aes-ccm-key.ts';
import { nodeAead } from '../../../src/crypto/node-aead.ts';
import { NodeCcmKey } from '../../../src/crypto/node-ccm.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { compareAead } from './compare-aead.ts';

const { COAPSULE_LONG } = process.env;
const algorithms = Object.keys(ccmAlgorithms) as CcmAlgorithm[];
const random = new SeededRandom(3610);
const randomBytes = (length: number): Uint8Array => random.fill(new Uint8Array(length));

const cases = COAPSULE_LONG === '1' ? 100_000 : 3000;
test(`${cases} random records are those of OpenSSL's CCM, short and long, in both directions`, () => {
  for (let made = 0; made < cases; ) {
    const algorithm = random.pick(algorithms);
    const raw = randomBytes(ccmAlgorithms[algorithm].keyLength);
    const key = new NodeCcmKey(algorithm, raw);
    const reference = nodeAead(algorithm, raw);
    for (let record = random.integer(20); record >= 0; record--) {
      const additionalData = randomBytes(random.integer(made % 20 === 0 ? 300 : 70));
      const length = random.integer(made % 20 === 1 ? 1000 : 130);
      const nonce = randomBytes(7 + random.integer(7));
      compareAead(random, key, reference, nonce, additionalData, length, random.integer(40));
      if (random.integer(10) === 0) key.rest();
      made++;
    }
  }
});

test('every length of payload and of additional data up to where OpenSSL takes over is right', () => {
  const raw = randomBytes(16);
  const key = new NodeCcmKey('AES_128_CCM_8', raw);
  const reference = nodeAead('AES_128_CCM_8', raw);
  for (let length = 0; length < 530; length++) {
    compareAead(random, key, reference, randomBytes(13), randomBytes(length % 245), length, 0);
  }
});

test('more keys than have ciphers at a time take turns', () => {
  const many = Array.from({ length: 4200 }, () => randomBytes(16));
  const keys = many.map((raw) => new NodeCcmKey('AES_128_CCM_8', raw));
  const buffer = new Uint8Array(28);
  for (let turn = 0; turn < 2; turn++) {
    for (const [index, key] of keys.entries()) {
      if (index % 100 > 0) key.seal(randomBytes(12), noBytes, buffer, 0, 20);
      else
        compareAead(
          random,
          key,
          nodeAead('AES_128_CCM_8', many[index] as Uint8Array),
          randomBytes(12),
          randomBytes(13),
          20,
          0,
        );
    }
  }
});

test('a key of another length, and a buffer without room for the tag, are refused', () => {
  assert.throws(() => new NodeCcmKey('AES_128_CCM_8', new Uint8Array(32)), ApiMisuseError);
  const key = new NodeCcmKey('AES_256_CCM', new Uint8Array(32));
  assert.throws(() => key.seal(new Uint8Array(12), noBytes, new Uint8Array(20), 0, 5), ApiMisuseError);
  assert.equal(key.open(new Uint8Array(12), noBytes, new Uint8Array(20), 0, 15), -1);
});
