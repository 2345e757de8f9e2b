import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../src/core/foundation/bytes.ts';
import { systemRandom } from '../../src/node/system-random.ts';

test('random bytes of any length fill all of the array, and short ones never come twice', () => {
  const seen = new Set<string>();
  for (let i = 0; i < 5000; i++) {
    const bytes = new Uint8Array(8);
    assert.equal(systemRandom.fill(bytes), bytes);
    seen.add(toHex(bytes));
  }
  assert.equal(seen.size, 5000);
  for (const length of [0, 1, 15, 16, 17, 100, 5000]) {
    const sum = new Uint8Array(length);
    for (let i = 0; i < 40; i++) {
      for (const [at, byte] of systemRandom.fill(new Uint8Array(length)).entries()) {
        sum[at] = (sum[at] as number) | byte;
      }
    }
    // 40 random bytes leave a bit of one place at 0 once in 10^12 times.
    assert.ok(
      sum.every((bits) => bits === 0xff),
      `${length} bytes`,
    );
  }
});

test('every bit of short random bytes is as often 0 as 1', () => {
  const counts = new Array<number>(64).fill(0);
  const rounds = 20_000;
  for (let i = 0; i < rounds; i++) {
    const bytes = systemRandom.fill(new Uint8Array(8));
    for (let bit = 0; bit < 64; bit++) {
      counts[bit] = (counts[bit] as number) + (((bytes[bit >> 3] as number) >> (bit & 7)) & 1);
    }
  }
  // Eight standard deviations.
  const most = 8 * Math.sqrt(rounds / 4);
  for (const count of counts) assert.ok(Math.abs(count - rounds / 2) < most, String(count));
});
