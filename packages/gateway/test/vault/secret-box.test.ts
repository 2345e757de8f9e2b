import assert from 'node:assert/strict';
import { createDecipheriv, createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { SecretBox, UnopenedSecret } from '../../src/vault/secret-box.ts';

const key = new Uint8Array(32).fill(7);
const place = { table: 'device', column: 'psk', row: 'sensor-7' };

test('what was sealed opens again at its place, also by another process with the same master key', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.string(), (secret, row) => {
      const at = { ...place, row };
      const sealed = new SecretBox(key).seal(at, secret);
      assert.equal(sealed.length, secret.length + 41);
      assert.deepEqual(new SecretBox(key).open(at, sealed), secret);
    }),
  );
});

test('a sealed value is AES-256-GCM under HKDF-SHA-256 of the master key, with the place as associated data', () => {
  const secret = new TextEncoder().encode('MySecret16ByteK!');
  const sealed = Buffer.from(new SecretBox(key).seal(place, secret));
  // RFC 5869 by hand: extract with the salt, expand with one block.
  const extracted = createHmac('sha256', sealed.subarray(1, 17)).update(key).digest();
  const subkey = createHmac('sha256', extracted)
    .update('coapsule store value')
    .update(Uint8Array.of(1))
    .digest();
  const nonce = Buffer.concat([Buffer.alloc(4), sealed.subarray(17, 25)]);
  const decipher = createDecipheriv('aes-256-gcm', subkey, nonce);
  decipher.setAAD(Buffer.from('device\npsk\nsensor-7'));
  decipher.setAuthTag(sealed.subarray(-16));
  const opened = Buffer.concat([decipher.update(sealed.subarray(25, -16)), decipher.final()]);
  assert.deepEqual(new Uint8Array(opened), secret);
});

test('no two values have the same subkey and nonce', () => {
  const boxes = [new SecretBox(key), new SecretBox(key)];
  const seen = new Set<string>();
  for (const box of boxes) {
    for (let i = 0; i < 1000; i++) {
      seen.add(Buffer.from(box.seal(place, Uint8Array.of(1))).toString('hex', 1, 25));
    }
  }
  assert.equal(seen.size, 2000);
});

test('a value does not open at another place, under another key, or when any bit of it was changed', () => {
  const box = new SecretBox(key);
  const sealed = box.seal(place, Uint8Array.of(1, 2, 3));
  for (const other of [{ row: 'sensor-8' }, { column: 'psk2' }, { table: 'association' }]) {
    assert.throws(() => box.open({ ...place, ...other }, sealed), UnopenedSecret);
  }
  assert.throws(() => new SecretBox(new Uint8Array(32)).open(place, sealed), UnopenedSecret);
  for (let bit = 0; bit < 8 * sealed.length; bit++) {
    const changed = sealed.slice();
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.throws(() => box.open(place, changed), UnopenedSecret, `bit ${bit}`);
  }
  for (let length = 0; length < sealed.length; length++) {
    assert.throws(() => box.open(place, sealed.subarray(0, length)), UnopenedSecret, `${length} bytes`);
  }
});

test('bytes of any kind are refused, never opened', () => {
  const box = new SecretBox(key);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.throws(() => box.open(place, bytes), UnopenedSecret);
    }),
  );
});
