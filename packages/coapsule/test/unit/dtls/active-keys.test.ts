import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ActiveKeys, type AssociationKeys } from '../../../src/core/dtls/active-keys.ts';

/** Keys that count how often they were laid to rest. */
function countingKeys(): { keys: AssociationKeys; rests: () => number } {
  let rests = 0;
  const half = { aead: { rest: () => rests++ } };
  return { keys: { read: half, write: half } as unknown as AssociationKeys, rests: () => rests };
}

const { keys } = countingKeys();

suite('the keys of associations in use', () => {
  test('are given up when others took their place, the ones that were used since last of all', () => {
    const active = new ActiveKeys(3);
    for (const slot of [1, 2, 3]) active.add(slot, keys);
    active.add(4, keys);
    // All were used; the hand went round once and came back to the first.
    assert.equal(active.of(1), undefined);
    assert.equal(active.of(3), keys);
    active.add(5, keys);
    assert.equal(active.of(2), undefined, 'not used since the hand came by');
    assert.equal(active.of(3), keys);
    assert.deepEqual(
      [4, 5].map((slot) => active.of(slot)),
      [keys, keys],
    );
  });

  test('are laid to rest when their association ends, and when others take their place', () => {
    const [one, other, third] = [countingKeys(), countingKeys(), countingKeys()];
    const active = new ActiveKeys(2);
    active.add(1, one.keys);
    active.add(2, other.keys);
    active.remove(1);
    active.remove(1);
    assert.deepEqual([one.rests(), other.rests()], [2, 0], 'both directions, once');
    active.add(3, third.keys);
    active.add(4, keys);
    assert.equal(other.rests() + third.rests(), 2);
  });

  test('of more associations than there is room for are never more than that, and of those that ended none', () => {
    const active = new ActiveKeys(8);
    let seed = 1;
    const live = new Set<number>();
    for (let i = 0; i < 5000; i++) {
      seed = (seed * 48_271) % 2_147_483_647;
      const slot = seed % 50;
      if (seed % 7 === 0) {
        active.remove(slot);
        live.delete(slot);
        assert.equal(active.of(slot), undefined);
      } else if (active.of(slot) === undefined) {
        active.add(slot, keys);
        live.add(slot);
        assert.equal(active.of(slot), keys);
      }
    }
    const made = Array.from({ length: 50 }, (_, slot) => active.of(slot)).filter((one) => one !== undefined);
    assert.ok(made.length > 0 && made.length <= 8, `${made.length}`);
    assert.ok(live.size >= made.length);
  });
});
