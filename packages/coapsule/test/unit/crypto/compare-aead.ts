/** One AEAD against another: what they seal, open and refuse, and what they leave as it was. */
import assert from 'node:assert/strict';
import type { AeadKey } from '../../../src/core/foundation/crypto-provider.ts';
import type { SeededRandom } from '../../../src/testing/seeded-random.ts';

/** Seals and opens one record with both keys, in buffers with something before and behind. */
export function compareAead(
  random: SeededRandom,
  key: AeadKey,
  reference: AeadKey,
  nonce: Uint8Array,
  additionalData: Uint8Array,
  length: number,
  offset: number,
): void {
  const { tagLength } = key;
  const randomBytes = (bytes: number): Uint8Array => random.fill(new Uint8Array(bytes));
  const name = `tag ${tagLength} nonce ${nonce.length} aad ${additionalData.length} length ${length} at ${offset}`;
  const before = randomBytes(offset + length + tagLength + random.integer(20));
  const expected = before.slice();
  const buffer = before.slice();
  reference.seal(nonce, additionalData, expected, offset, length);
  key.seal(nonce, additionalData, buffer, offset, length);
  assert.ok(Buffer.compare(buffer, expected) === 0, `seals: ${name}`);
  const forged = buffer.slice();
  const at = offset + random.integer(length + tagLength);
  forged[at] = (forged[at] as number) ^ (1 << random.integer(8));
  const refused = forged.slice();
  assert.equal(key.open(nonce, additionalData, refused, offset, length + tagLength), -1, name);
  assert.ok(Buffer.compare(refused, forged) === 0, `leaves what it refuses: ${name}`);
  assert.equal(key.open(nonce, additionalData, buffer, offset, length + tagLength), length, name);
  assert.ok(
    Buffer.compare(buffer.subarray(0, offset + length), before.subarray(0, offset + length)) === 0,
    name,
  );
  assert.ok(Buffer.compare(buffer.subarray(offset + length), expected.subarray(offset + length)) === 0, name);
}
