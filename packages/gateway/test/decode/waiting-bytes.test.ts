/** What waits of a stream: the same bytes however they come, and few copies of each. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { WaitingBytes } from '../../src/decode/waiting-bytes.ts';

describe('bytes that wait', () => {
  test('come out in the order in which they came in, whatever is pushed and taken', () => {
    const steps = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.integer({ min: 0, max: 60 }),
        fc.constant('clear' as const),
      ),
    );
    fc.assert(
      fc.property(steps, (given) => {
        const waiting = new WaitingBytes();
        let model: number[] = [];
        for (const step of given) {
          if (step === 'clear') {
            waiting.clear();
            model = [];
          } else if (typeof step === 'number') {
            assert.deepEqual([...waiting.take(step)], model.splice(0, step));
          } else {
            waiting.push(step);
            model.push(...step);
          }
          assert.equal(waiting.length, model.length);
          assert.deepEqual([...waiting.bytes], model);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('what was taken stays as it was', () => {
    const waiting = new WaitingBytes();
    waiting.push(Uint8Array.of(1, 2, 3, 4));
    const taken = waiting.take(2);
    for (let round = 0; round < 20; round++) waiting.push(Uint8Array.of(9, 9, 9));
    assert.deepEqual([...taken], [1, 2]);
  });

  test('a message of a megabyte in small pieces is copied a few times, not once for each piece', (t) => {
    const waiting = new WaitingBytes();
    let copied = 0;
    const { set } = Uint8Array.prototype;
    t.mock.method(
      Uint8Array.prototype,
      'set',
      function counted(this: Uint8Array, bytes: ArrayLike<number>, at?: number) {
        copied += bytes.length;
        set.call(this, bytes, at);
      },
    );
    const total = 1_000_000;
    const piece = new Uint8Array(20);
    for (let sent = 0; sent < total; sent += piece.length) waiting.push(piece);
    assert.equal(waiting.length, total);
    assert.ok(copied >= total, 'nothing was counted');
    assert.ok(copied < 4 * total, `${copied} bytes were copied`);
  });
});
