import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedDigest } from '../../../src/core/foundation/keyed-digest.ts';

function hex(digest: KeyedDigest): string {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, digest.high, true);
  view.setInt32(4, digest.low, true);
  return Buffer.from(bytes).toString('hex');
}

test('the digest is HalfSipHash-2-4 with 64 bits: the published vectors of its authors', () => {
  const digest = new KeyedDigest({
    fill: (bytes) => {
      bytes.set([0, 1, 2, 3, 4, 5, 6, 7]);
      return bytes;
    },
  });
  // vectors_hsip64 of the reference implementation: input 00 01 02 …, lengths 0 to 5.
  const expected = [
    '218d1f59b9b83cc8',
    'be552412f8387315',
    '064f39ef7c50eb57',
    'ce0f1a45f7060679',
    'd5e78a175be52ea1',
    'cb9d7c3f2f3db580',
  ];
  expected.forEach((value, length) => {
    digest.update(Uint8Array.from({ length }, (_, i) => i));
    assert.equal(hex(digest), value);
  });
});

test('every bit of a message changes the digest', () => {
  const digest = new KeyedDigest({ fill: (bytes) => bytes.fill(7) });
  const message = new Uint8Array(40).fill(0x5a);
  const seen = new Set<string>();
  digest.update(message);
  seen.add(hex(digest));
  for (let bit = 0; bit < message.length * 8; bit++) {
    const changed = message.slice();
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    digest.update(changed);
    seen.add(hex(digest));
  }
  assert.equal(seen.size, 321);
});

test('the hash of a text is half of the digest of its characters', () => {
  const digest = new KeyedDigest({ fill: (bytes) => bytes.fill(9) });
  for (const text of ['', '[', '192.0.2.1:5683', '[2001:db8::17]:61616', 'abc', 'abcd']) {
    const hash = digest.hashOf(text);
    digest.update(Buffer.from(text, 'latin1'));
    assert.equal(hash, digest.high, text);
  }
});

test('which addresses share a cell of a table is another matter for each key', () => {
  const [one, other] = [1, 2].map((key) => new KeyedDigest({ fill: (bytes) => bytes.fill(key) }));
  const addresses = Array.from({ length: 65_536 }, (_, port) => `192.0.2.1:${port}`);
  const inFirstCell = addresses.filter((address) => ((one as KeyedDigest).hashOf(address) & 1023) === 0);
  const cells = new Set(inFirstCell.map((address) => (other as KeyedDigest).hashOf(address) & 1023));
  assert.ok(inFirstCell.length > 32 && inFirstCell.length < 128, `${inFirstCell.length} of 65,536`);
  assert.ok(cells.size > inFirstCell.length - 16, `${cells.size} cells of ${inFirstCell.length}`);
});
