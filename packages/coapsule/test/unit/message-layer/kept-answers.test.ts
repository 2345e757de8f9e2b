/** Answers that are kept for copies: short ones in cells, long ones by themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KeptAnswer, KeptAnswers } from '../../../src/core/message-layer/kept-answers.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';

test('answers of every length are given back as they were, whatever comes and goes beside them', () => {
  const random = new SeededRandom(4);
  const answers = new KeptAnswers();
  const kept: { answer: KeptAnswer; readonly bytes: Uint8Array }[] = [];
  for (let i = 0; i < 20_000; i++) {
    if (kept.length > 0 && random.integer(kept.length > 6000 ? 2 : 3) === 0) {
      const [gone] = kept.splice(random.integer(kept.length), 1);
      if (gone !== undefined) answers.release(gone.answer);
    } else {
      const bytes = random.fill(new Uint8Array(random.integer(90)));
      const start = random.integer(bytes.length + 1);
      kept.push({ answer: answers.keep(bytes, start), bytes: bytes.slice(start) });
    }
  }
  for (const { answer, bytes } of kept) assert.deepEqual(answers.bytesOf(answer), bytes);

  // All of them gone, there is room as at first.
  for (const { answer } of kept) answers.release(answer);
  const again = answers.keep(Uint8Array.of(1, 2, 3), 1);
  assert.equal(again, 0);
  assert.deepEqual(answers.bytesOf(again), Uint8Array.of(2, 3));
});

test('an answer is a copy: what becomes of its datagram is no matter', () => {
  const answers = new KeptAnswers();
  for (const length of [40, 200]) {
    const datagram = new Uint8Array(length).fill(7);
    const kept = answers.keep(datagram, 10);
    datagram.fill(0);
    assert.deepEqual(answers.bytesOf(kept), new Uint8Array(length - 10).fill(7));
  }
});
