/** What holds for everything that knows the owners of sessions (src/keeping/session-owners.ts). */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import * as fc from 'fast-check';
import type { SessionOwner, SessionOwners } from '../../src/keeping/session-owners.ts';
import type { Define } from './define-test.ts';
import { MemoryOwners } from './memory-keeping.ts';
import { plain } from './plain-record.ts';

/** An engine under test, empty. */
interface OpenOwners {
  readonly owners: SessionOwners;
  /** Somebody else who works on the same. */
  readonly other: SessionOwners;
  /** The time of whoever owns it is over. */
  readonly end: (connectionId: Uint8Array) => Promise<void>;
}

const long = 3_600_000;

/** Tests an engine by its name. @param open once for each test. @param define makes a test, or says why it cannot run. */
export function sessionOwnersContract(
  name: string,
  open: (t: TestContext) => Promise<OpenOwners>,
  define: Define = test,
): void {
  define(
    `${name}: of all who claim a session at the same time one owns it, and all others learn who`,
    async (t) => {
      const { owners, other } = await open(t);
      for (let round = 0; round < 20; round++) {
        const id = Uint8Array.of(1, round);
        const claims = await Promise.all(
          Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? owners : other).claim(id, `node-${n}`, long)),
        );
        const won = claims.flatMap((claim, n) =>
          claim.kind === 'owned' ? [{ ...claim, owner: `node-${n}` }] : [],
        );
        assert.equal(won.length, 1);
        const [{ owner, fence } = assert.fail()] = won;
        for (const claim of claims) {
          if (claim.kind === 'held') assert.deepEqual(claim.by, { owner, fence });
        }
        assert.deepEqual(await other.ownerOf(id), { owner, fence });
      }
    },
  );

  define(
    `${name}: who was cut off and comes back cannot renew or release what another owns by now, whose number is greater`,
    async (t) => {
      const { owners, other, end } = await open(t);
      const id = Uint8Array.of(7);
      const first = await owners.claim(id, 'north', long);
      assert.ok(first.kind === 'owned');
      await end(id);
      assert.equal(await other.ownerOf(id), undefined);
      assert.equal(await owners.renew(id, { owner: 'north', fence: first.fence }, long), false);
      const second = await other.claim(id, 'south', long);
      assert.ok(second.kind === 'owned' && second.fence > first.fence);
      const old = { owner: 'north', fence: first.fence };
      assert.equal(await owners.renew(id, old, long), false);
      assert.equal(await owners.release(id, old), false);
      assert.deepEqual(await owners.ownerOf(id), { owner: 'south', fence: second.fence });
      assert.ok(await other.release(id, { owner: 'south', fence: second.fence }));
      // The same owner again, and with its old number: what it held is over.
      const third = await owners.claim(id, 'north', long);
      assert.ok(third.kind === 'owned' && third.fence > second.fence);
      assert.equal(await owners.release(id, old), false);
    },
  );

  define(
    `${name}: any sequence of claims, renewals, releases and endings goes as in the model`,
    async (t) => {
      const { owners, other, end } = await open(t);
      const step = plain({
        kind: fc.constantFrom('claim', 'claim', 'renew', 'release', 'end'),
        session: fc.integer({ min: 0, max: 2 }),
        owner: fc.constantFrom('north', 'south'),
      });
      let round = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          round++;
          let now = 0;
          const model = new MemoryOwners(() => now);
          /** Numbers differ between engines: what each one gave, by the number of the model. */
          const fences = new Map<number, number>();
          const last = new Map<string, SessionOwner>();
          let greatest = 0;
          for (const [i, { kind, session, owner }] of steps.entries()) {
            const engine = i % 2 === 0 ? owners : other;
            const id = Uint8Array.of(round >> 8, round & 0xff, session);
            const known = last.get(`${session} ${owner}`) ?? { owner, fence: 1 };
            const theirs = { owner, fence: fences.get(known.fence) ?? 1 };
            if (kind === 'claim') {
              const [is, expected] = [
                await engine.claim(id, owner, long),
                await model.claim(id, owner, long),
              ];
              assert.equal(is.kind, expected.kind);
              if (is.kind === 'owned' && expected.kind === 'owned') {
                const before = fences.get(expected.fence);
                assert.ok(before === undefined ? is.fence > greatest : is.fence === before);
                greatest = Math.max(greatest, is.fence);
                fences.set(expected.fence, is.fence);
                last.set(`${session} ${owner}`, { owner, fence: expected.fence });
              }
            } else if (kind === 'renew') {
              assert.equal(await engine.renew(id, theirs, long), await model.renew(id, known, long));
            } else if (kind === 'release') {
              assert.equal(await engine.release(id, theirs), await model.release(id, known));
            } else {
              await end(id);
              const held = await model.ownerOf(id);
              if (held !== undefined) await model.release(id, held);
            }
            now++;
            const [is, expected] = [await engine.ownerOf(id), await model.ownerOf(id)];
            assert.equal(is?.owner, expected?.owner);
          }
        }),
        { seed: 9146, numRuns: process.env['COAPSULE_LONG'] === '1' ? 1000 : 40, endOnFailure: true },
      );
    },
  );
}
