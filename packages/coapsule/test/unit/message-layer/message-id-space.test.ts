import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { instant } from '../../../src/core/foundation/instant.ts';
import { MessageIdSpace, MessageIds } from '../../../src/core/message-layer/message-id-space.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';

const lifetimeMs = 247_000;
const segmentMs = lifetimeMs / 64;

test('Message IDs to a peer follow each other from a random start and wrap at 65,535', () => {
  const space = new MessageIdSpace(65_534, segmentMs);
  const ids = [1, 2, 3].map(() => space.allocate(lifetimeMs, instant(0)));
  assert.deepEqual(ids, [65_534, 65_535, 0]);
  const starts = new Set<number | undefined>();
  for (let seed = 0; seed < 20; seed++) {
    starts.add(new MessageIds(new SeededRandom(seed), 10, lifetimeMs).allocate('a', lifetimeMs, instant(0)));
  }
  assert.ok(starts.size > 15, 'starts are not random');
});

test('with all 65,536 Message IDs in use there is none, until the first lapses', () => {
  const space = new MessageIdSpace(7, segmentMs);
  for (let i = 0; i < 65_536; i++) assert.notEqual(space.allocate(lifetimeMs, instant(i)), undefined);
  assert.equal(space.allocate(lifetimeMs, instant(65_536)), undefined);
  const release = space.nextRelease();
  assert.ok(release !== undefined && release >= lifetimeMs && release <= lifetimeMs + segmentMs);
  assert.equal(space.allocate(lifetimeMs, instant(release - 1)), undefined);
  assert.equal(space.allocate(lifetimeMs, release), 7);
});

test('no Message ID comes again before its lifetime is over, at any rate and mix of lifetimes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ stepMs: fc.nat(3000), burst: fc.nat(4000), non: fc.boolean() }), {
        minLength: 150,
        maxLength: 250,
      }),
      (steps) => {
        const space = new MessageIdSpace(60_000, segmentMs);
        const free = new Float64Array(65_536);
        let now = 0;
        for (const { stepMs, burst, non } of steps) {
          now += stepMs;
          for (let i = 0; i < burst; i++) {
            const lifetime = non ? 145_000 : lifetimeMs;
            const id = space.allocate(lifetime, instant(now));
            if (id === undefined) break;
            assert.ok((free[id] as number) <= now, `ID ${id} reused early`);
            free[id] = now + lifetime;
          }
        }
      },
    ),
    { numRuns: 30, seed: 4 },
  );
});

test('a million messages to peers beyond the bound share a few spaces, and no ID is reused to any of them', () => {
  const ids = new MessageIds(new SeededRandom(3), 100, lifetimeMs);
  const used = new Map<string, Set<number>>();
  let refused = 0;
  for (let i = 0; i < 5_000_000; i++) {
    const id = ids.allocate(`peer ${i % 50_000}`, lifetimeMs, instant(i / 1000));
    if (id === undefined) {
      refused++;
      continue;
    }
    const of = used.get(`peer ${i % 50_000}`) ?? new Set();
    used.set(`peer ${i % 50_000}`, of);
    assert.ok(!of.has(id));
    of.add(id);
  }
  assert.equal(ids.size, 100);
  assert.ok(refused > 30_000, 'the shared space must push back');
  ids.handleTimeout(instant(10_000 + 2 * lifetimeMs));
  assert.equal(ids.size, 0);
  assert.equal(ids.nextTimeout(), undefined);
});

test('a peer that moves from the shared space to its own keeps clear of the IDs it had', () => {
  const ids = new MessageIds(new SeededRandom(9), 1, lifetimeMs);
  ids.allocate('first', 1000, instant(0));
  const shared = ids.allocate('second', lifetimeMs, instant(0)) as number;
  ids.handleTimeout(instant(1000));
  assert.equal(ids.size, 0);
  assert.equal(ids.allocate('second', lifetimeMs, instant(1000)), (shared + 1) % 65_536);
  assert.equal(ids.size, 1);
});

test('Message IDs go on where another process ended, until what that one used has lapsed', () => {
  const there = new MessageIds(new SeededRandom(1), 10, lifetimeMs);
  const last = there.allocate('a', lifetimeMs, instant(0)) as number;
  const here = new MessageIds(new SeededRandom(2), 10, lifetimeMs);
  here.continueAt('a', there.next('a'), instant(0));
  assert.equal(here.allocate('a', lifetimeMs, instant(5)), (last + 1) % 65_536);
  here.continueAt('unused', 7, instant(0));
  here.handleTimeout(instant(lifetimeMs));
  here.handleTimeout(instant(2 * lifetimeMs));
  assert.equal(here.size, 0);
});

test('unpredictable Message IDs follow from nothing, and the others go around them while they are in use', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ stepMs: fc.nat(20_000), burst: fc.nat(3000), unpredictable: fc.nat(20) }), {
        minLength: 50,
        maxLength: 100,
      }),
      fc.nat(),
      (steps, seed) => {
        const random = new SeededRandom(seed);
        const space = new MessageIdSpace(60_000, segmentMs);
        const free = new Float64Array(65_536);
        let now = 0;
        const take = (id: number | undefined): void => {
          if (id === undefined) return;
          assert.ok((free[id] as number) <= now, `ID ${id} reused early`);
          assert.ok(space.isInUse(id));
          free[id] = now + lifetimeMs;
        };
        for (const { stepMs, burst, unpredictable } of steps) {
          now += stepMs;
          for (let i = 0; i < unpredictable; i++) {
            take(space.allocateUnpredictable(random, lifetimeMs, instant(now)));
          }
          for (let i = 0; i < burst; i++) take(space.allocate(lifetimeMs, instant(now)));
        }
        space.release(instant(now + 2 * lifetimeMs));
        assert.equal(space.inUse, 0);
        assert.equal(space.nextRelease(), undefined);
      },
    ),
    { numRuns: 30, seed: 4 },
  );
  const random = new SeededRandom(1);
  const space = new MessageIdSpace(7, segmentMs);
  const ids = Array.from({ length: 64 }, () => space.allocateUnpredictable(random, lifetimeMs, instant(0)));
  const octants = new Set(ids.map((id) => (id as number) >> 13));
  assert.equal(octants.size, 8, 'they are from everywhere');
});

test('there is no unpredictable Message ID when more than half of all are in use', () => {
  const space = new MessageIdSpace(7, segmentMs);
  const random = new SeededRandom(1);
  for (let i = 0; i < 32_768; i++) space.allocate(lifetimeMs, instant(0));
  assert.notEqual(space.allocateUnpredictable(random, lifetimeMs, instant(0)), undefined);
  assert.equal(space.allocateUnpredictable(random, lifetimeMs, instant(0)), undefined);
  assert.notEqual(space.allocate(lifetimeMs, instant(0)), undefined);
});

test('of two layers that are one to a peer, each with half of the IDs, neither takes one of the other', () => {
  for (const first of [0, 32_768]) {
    const ids = new MessageIds(new SeededRandom(first), 10, lifetimeMs, false, { first, count: 32_768 });
    const taken = new Set<number>();
    for (let i = 0; i < 32_768; i++) {
      const id = ids.allocate('a', lifetimeMs, instant(0), i === 7);
      assert.ok(id !== undefined && id >= first && id < first + 32_768);
      taken.add(id);
      assert.ok(ids.isInUse('a', id));
      assert.ok(!ids.isInUse('a', (id + 32_768) % 65_536));
    }
    assert.equal(taken.size, 32_768);
    assert.equal(ids.allocate('a', lifetimeMs, instant(0)), undefined);
  }
});
