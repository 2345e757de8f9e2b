/**
 * What tables in typed arrays are made of: an index, lists, timers and an arena of bytes, each against its plain twin.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ByteArena } from '../../../src/core/foundation/byte-arena.ts';
import { instant } from '../../../src/core/foundation/instant.ts';
import { KeyedDigest } from '../../../src/core/foundation/keyed-digest.ts';
import { hashOfBytes, hashOfNumber, SlotIndex } from '../../../src/core/foundation/slot-index.ts';
import { SlotLists } from '../../../src/core/foundation/slot-lists.ts';
import { SlotTimers } from '../../../src/core/foundation/slot-timers.ts';
import { systemRandom } from '../../../src/node/system-random.ts';

function slotsUnder(index: SlotIndex, hash: number): Set<number> {
  const found = new Set<number>();
  for (let cell = index.begin(hash); index.slotAt(cell) >= 0; cell = index.next(cell, hash))
    found.add(index.slotAt(cell));
  return found;
}

describe('SlotIndex', () => {
  it('finds under its hash each slot that is in it, whatever was entered and taken out before', () => {
    // Few hashes, so that cells collide all the time.
    const hashes = [0, 1, 2, 16, 17, -1, 2 ** 31 - 1, 123_456_789];
    const step = fc.record({ slot: fc.nat(60), hash: fc.constantFrom(...hashes) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const index = new SlotIndex();
        const twin = new Map<number, number>();
        for (const { slot, hash } of steps) {
          const before = twin.get(slot);
          if (before === undefined) {
            index.insert(hash, slot);
            twin.set(slot, hash);
          } else {
            index.delete(before, slot);
            twin.delete(slot);
          }
          assert.equal(index.size, twin.size);
          for (const [one, its] of twin) assert.ok(slotsUnder(index, its).has(one));
        }
        for (const hash of hashes) {
          for (const slot of slotsUnder(index, hash)) assert.ok(twin.has(slot));
        }
      }),
    );
  });

  it('keeps 100,000 slots a step or two from where they are looked for', () => {
    const index = new SlotIndex();
    const digest = new KeyedDigest(systemRandom);
    const hashes = Array.from({ length: 100_000 }, (_, i) =>
      digest.hashOf(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:5683`),
    );
    const emptied = new SlotIndex();
    for (const [slot, hash] of hashes.entries()) {
      index.insert(hash, slot);
      emptied.insert(hash, slot);
    }
    for (const [slot, hash] of hashes.entries()) emptied.delete(hash, slot);
    let steps = 0;
    for (const [slot, hash] of hashes.entries()) {
      let cell = index.begin(hash);
      while (index.slotAt(cell) !== slot) cell = index.next(cell, hash);
      // In an index without slots a walk ends where it begins.
      steps += (cell - emptied.begin(hash)) & (2 ** 17 - 1);
    }
    assert.ok(steps / hashes.length < 2, `${steps} steps past the first cell`);
  });

  it('tells numbers above 2^32, texts and bytes apart', () => {
    assert.notEqual(hashOfNumber(1), hashOfNumber(1 + 2 ** 32));
    const digest = new KeyedDigest(systemRandom);
    assert.notEqual(digest.hashOf('[::1]:5683'), digest.hashOf('[::1]:5684'));
    assert.notEqual(hashOfBytes(Uint8Array.of(0, 1)), hashOfBytes(Uint8Array.of(1, 0)));
  });
});

describe('SlotLists', () => {
  it('begin with the slot that was put behind the others the longest time ago, through any taking out and moving', () => {
    const step = fc.record({
      kind: fc.constantFrom('append', 'remove', 'moveBehind'),
      slot: fc.nat(60),
      list: fc.nat(40),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const lists = new SlotLists();
        const twin: number[][] = Array.from({ length: 41 }, () => []);
        for (const { kind, slot, list: wanted } of steps) {
          const at = twin.findIndex((list) => list.includes(slot));
          const list = at === -1 ? wanted : at;
          if ((kind === 'append') !== (at === -1)) continue;
          lists[kind](list, slot);
          const others = (twin[list] as number[]).filter((other) => other !== slot);
          twin[list] = kind === 'remove' ? others : [...others, slot];
          for (const [number, slots] of twin.entries()) assert.equal(lists.first(number), slots[0] ?? -1);
        }
        for (const [number, slots] of twin.entries()) {
          for (const slot of slots) {
            assert.equal(lists.first(number), slot);
            lists.remove(number, slot);
          }
          assert.equal(lists.first(number), -1);
        }
      }),
    );
  });
});

describe('SlotTimers', () => {
  it('expire soonest first, as a sorted list would, with any setting, moving and cancelling between', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('set'), slot: fc.nat(40), at: fc.nat(1000) }),
      fc.record({ kind: fc.constant('cancel'), slot: fc.nat(40), at: fc.constant(0) }),
      fc.record({ kind: fc.constant('expire'), slot: fc.constant(0), at: fc.nat(1000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const timers = new SlotTimers();
        const twin = new Map<number, number>();
        for (const { kind, slot, at } of steps) {
          if (kind === 'set') {
            timers.set(slot, instant(at));
            twin.set(slot, at);
          } else if (kind === 'cancel') {
            timers.cancel(slot);
            twin.delete(slot);
          } else {
            const soonest = Math.min(Infinity, ...twin.values());
            const expired = timers.expire(instant(at));
            if (soonest > at) assert.equal(expired, undefined);
            else {
              assert.equal(twin.get(expired as number), soonest);
              twin.delete(expired as number);
            }
          }
          assert.equal(timers.size, twin.size);
          assert.equal(timers.next(), twin.size === 0 ? undefined : Math.min(...twin.values()));
        }
      }),
    );
  });
});

describe('ByteArena', () => {
  it('has the room of its first strings again when the last of many is gone', () => {
    const arena = new ByteArena();
    const string = new Uint8Array(100).fill(7);
    const offsets = Array.from({ length: 1000 }, () => arena.add(string));
    assert.ok(Math.max(...offsets) > 65_536);
    for (const offset of offsets) arena.remove(offset, string.length);
    assert.equal(arena.add(string), 0);
    assert.deepEqual(arena.slice(0, 100), string);
    assert.deepEqual(arena.slice(100, 1000), new Uint8Array(924).fill(0), 'no more room than at first');
  });

  it('gives back what was put in, however much was taken out and put in since', () => {
    const bytes = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(fc.array(fc.tuple(bytes, bytes, fc.boolean()), { maxLength: 200 }), (steps) => {
        const arena = new ByteArena();
        const kept: { offset: number; all: Uint8Array }[] = [];
        for (const [a, b, removes] of steps) {
          kept.push({ offset: arena.add(a, b), all: Uint8Array.of(...a, ...b) });
          const first = removes ? kept.shift() : undefined;
          if (first !== undefined) arena.remove(first.offset, first.all.length);
          for (const { offset, all } of kept) assert.deepEqual(arena.slice(offset, all.length), all);
        }
      }),
    );
  });
});
