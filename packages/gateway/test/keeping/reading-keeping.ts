/** What holds for everything that keeps readings (src/keeping/readings.ts). */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import * as fc from 'fast-check';
import type { ReadingKeeping } from '../../src/keeping/readings.ts';
import type { Reading, RecordTerms, RequestFingerprint } from '../../src/store/reading-table.ts';
import type { Define } from './define-test.ts';
import { MemoryReadings } from './memory-keeping.ts';
import { plain } from './plain-record.ts';

const lifetimeMs = 1000;

interface Step {
  readonly reading: Reading;
  readonly request: RequestFingerprint | undefined;
  readonly terms: RecordTerms;
}

/** Few paths and requests: they come again, before their lifetime is over and after it. */
const step: fc.Arbitrary<Step> = plain({
  reading: plain({
    path: fc.constantFrom('/sensors/a', '/sensors/b/c', '/sensor'),
    value: fc.uint8Array({ minLength: 1, maxLength: 6 }),
    contentFormat: fc.option(fc.constantFrom(0, 50, 110), { nil: undefined }),
    identity: fc.option(fc.constantFrom('one', 'two'), { nil: undefined }),
    peerAddress: fc.constant('[::1]:5'),
    // Since the one before.
    receivedAtMs: fc.integer({ min: 0, max: lifetimeMs }),
  }),
  request: fc.option(
    plain({
      peer: fc.constantFrom('udp 1', 'dtls 2'),
      messageId: fc.constantFrom(1, 2),
      token: fc.constantFrom(new Uint8Array(0), Uint8Array.of(7)),
      digest: fc.constantFrom(Uint8Array.of(1), Uint8Array.of(2)),
      lifetimeMs: fc.constant(lifetimeMs),
    }),
    { nil: undefined },
  ),
  terms: fc.record(
    {
      keepNewest: fc.constantFrom(1, 3),
      storeWhen: plain({ exists: fc.boolean(), missing: fc.boolean() }),
    },
    { requiredKeys: [], noNullPrototype: true },
  ),
});

/** Tests an engine by its name. @param open once for each test. @param define makes a test, or says why it cannot run. */
export function readingKeepingContract(
  name: string,
  open: (t: TestContext) => Promise<ReadingKeeping>,
  define: Define = test,
): void {
  define(
    `${name}: each request is recorded once, whatever comes again, out of order, or under other terms`,
    async (t) => {
      const keeping = await open(t);
      let round = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
          // What was kept before stays out of the way.
          const prefix = `/${++round}`;
          const model = new MemoryReadings();
          let now = 1_700_000_000_000;
          for (const { reading: said, request: asked, terms } of steps) {
            now += said.receivedAtMs;
            const reading = { ...said, path: prefix + said.path, receivedAtMs: now };
            const request = asked && { ...asked, peer: `${asked.peer} ${round}` };
            assert.deepEqual(
              await keeping.record(reading, request, terms),
              await model.record(reading, request, terms),
            );
          }
          for (const path of ['/sensors/a', '/sensors/b/c', '/sensor', '/none']) {
            assert.deepEqual(await keeping.latest(prefix + path), await model.latest(prefix + path));
          }
          const below = `${prefix}/sensors/`;
          assert.deepEqual(await keeping.pathsBelow(below, 10), await model.pathsBelow(below, 10));
        }),
        { seed: 7252, numRuns: process.env['COAPSULE_LONG'] === '1' ? 1000 : 20, endOnFailure: true },
      );
    },
  );

  define(`${name}: of copies of one request that come at the same time one is recorded`, async (t) => {
    const keeping = await open(t);
    const reading: Reading = {
      path: '/sensors/a',
      value: Uint8Array.of(1),
      contentFormat: undefined,
      identity: undefined,
      peerAddress: '[::1]:5',
      receivedAtMs: 10,
    };
    const request = {
      peer: 'udp 1',
      messageId: 1,
      token: new Uint8Array(0),
      digest: Uint8Array.of(1),
      lifetimeMs,
    };
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => keeping.record(reading, request)));
    assert.equal(outcomes.filter((outcome) => 'repeat' in outcome && !outcome.repeat).length, 1);
    assert.ok(outcomes.every((outcome) => 'first' in outcome && outcome.first));
  });
}
