/** What holds for every stream of readings (src/keeping/reading-stream.ts). */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import * as fc from 'fast-check';
import type { ReadingStream, StreamedReading } from '../../src/keeping/reading-stream.ts';
import type { Define } from './define-test.ts';

/** An engine under test, empty. */
interface OpenStream {
  readonly stream: ReadingStream;
  /** Somebody else who follows the same. */
  readonly other: ReadingStream;
}

/** The n-th reading. */
export function streamed(n: number, node = 'north'): StreamedReading {
  return {
    node,
    reading: {
      path: `/sensors/${n} é`,
      value: Uint8Array.of(n >> 8, n & 0xff, 0, 0xff),
      contentFormat: n % 2 === 0 ? undefined : 110,
      identity: n % 3 === 0 ? undefined : `device ${n}`,
      peerAddress: '[::1]:5683',
      receivedAtMs: 1_700_000_000_000 + n,
    },
  };
}

async function rest(stream: ReadingStream, from: string, limit: number): Promise<readonly StreamedReading[]> {
  const found: StreamedReading[] = [];
  for (let mark = from; ; ) {
    const page = await stream.after(mark, limit);
    assert.ok(page.readings.length <= limit);
    if (page.readings.length === 0) return found;
    found.push(...page.readings);
    mark = page.mark;
  }
}

/** Tests an engine by its name. @param open once for each test. @param define makes a test, or says why it cannot run. */
export function readingStreamContract(
  name: string,
  open: (t: TestContext) => Promise<OpenStream>,
  define: Define = test,
): void {
  define(
    `${name}: everybody reads whole what was appended behind a mark, in its order, in pages of any size`,
    async (t) => {
      const { stream, other } = await open(t);
      let n = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 6 }),
          fc.integer({ min: 1, max: 7 }),
          async (groups, limit) => {
            const from = await other.end();
            const appended: StreamedReading[] = [];
            for (const size of groups) {
              const group = Array.from({ length: size }, () => streamed(n++));
              await stream.append(group);
              appended.push(...group);
            }
            assert.deepEqual(await rest(other, from, limit), appended);
            assert.deepEqual(await rest(stream, await stream.end(), limit), []);
          },
        ),
        { seed: 8428, numRuns: process.env['COAPSULE_LONG'] === '1' ? 500 : 30 },
      );
    },
  );

  define(
    `${name}: what two append at the same time is in one order for both, each in the order that it came`,
    async (t) => {
      const { stream, other } = await open(t);
      const from = await stream.end();
      await Promise.all(
        Array.from({ length: 20 }, (_, n) => [
          stream.append([streamed(2 * n, 'north'), streamed(2 * n + 1, 'north')]),
          other.append([streamed(n, 'south')]),
        ]).flat(),
      );
      const [one, two] = [await rest(stream, from, 100), await rest(other, from, 3)];
      assert.deepEqual(one, two);
      for (const [node, count] of [['north', 40] as const, ['south', 20] as const]) {
        const times = one.filter((entry) => entry.node === node).map(({ reading }) => reading.receivedAtMs);
        assert.equal(times.length, count);
        assert.deepEqual(
          times,
          times.toSorted((a, b) => a - b),
        );
      }
    },
  );
}
