import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { MessageFragment } from '../../../../src/core/dtls/handshake/message-header.ts';
import { Reassembly, reassemblyLimits } from '../../../../src/core/dtls/handshake/reassembly.ts';

const body = Uint8Array.from({ length: 100 }, (_, i) => i + 1);

function fragment(offset: number, length: number, change: Partial<MessageFragment> = {}): MessageFragment {
  return {
    type: 16,
    length: body.length,
    messageSeq: 0,
    fragmentOffset: offset,
    fragment: body.subarray(offset, offset + length),
    ...change,
  };
}

suite('reassembly (RFC 6347 §4.2.3)', () => {
  test('any set of ranges that covers a message gives the message, in any order, with overlaps and repetitions', () => {
    const range = fc.tuple(fc.nat(99), fc.integer({ min: 1, max: 100 }));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 30 }), (ranges) => {
        const reassembly = new Reassembly();
        const covered = new Set<number>();
        for (const [offset, wanted] of ranges) {
          if (covered.size === body.length) break;
          const length = Math.min(wanted, body.length - offset);
          assert.equal(reassembly.add(0, fragment(offset, length)), 'kept');
          for (let i = offset; i < offset + length; i++) covered.add(i);
          assert.equal(reassembly.keptBytes, 128 + body.length);
        }
        const message = reassembly.take(0);
        assert.equal(message !== undefined, covered.size === body.length);
        if (message !== undefined) {
          assert.deepEqual(message.body, body);
          assert.equal(reassembly.keptBytes, 0);
          assert.equal(reassembly.nextReceiveSeq, 1);
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('fragments of one byte, last first, give the message', () => {
    const reassembly = new Reassembly();
    for (let offset = 99; offset >= 0; offset--) reassembly.add(0, fragment(offset, 1));
    assert.deepEqual(reassembly.take(0)?.body, body);
  });

  test('messages come out by message_seq, and old ones are told as such', () => {
    const reassembly = new Reassembly();
    assert.equal(reassembly.add(0, fragment(0, 100, { messageSeq: 1 })), 'ahead');
    assert.equal(reassembly.take(0), undefined);
    assert.equal(reassembly.add(0, fragment(0, 100)), 'kept');
    assert.equal(reassembly.take(0)?.messageSeq, 0);
    assert.equal(reassembly.take(0)?.messageSeq, 1);
    assert.equal(reassembly.add(0, fragment(0, 100)), 'old');
  });

  test('overlapping bytes that differ never join: the later ones begin anew, and repetition gives the message', () => {
    const reassembly = new Reassembly();
    reassembly.add(0, fragment(0, 50));
    const forged = new Uint8Array(60).fill(0xee);
    assert.equal(reassembly.add(0, fragment(40, 60, { fragment: forged })), 'kept');
    reassembly.add(0, fragment(0, 40));
    assert.deepEqual(reassembly.take(0)?.body.subarray(0, 40), body.subarray(0, 40), 'forged as a whole');

    const repeated = new Reassembly();
    repeated.add(0, fragment(0, 50));
    repeated.add(0, fragment(40, 1, { fragment: Uint8Array.of(0xee) }));
    repeated.add(0, fragment(50, 50));
    assert.equal(repeated.take(0), undefined);
    repeated.add(0, fragment(0, 50));
    repeated.add(0, fragment(50, 50));
    assert.deepEqual(repeated.take(0)?.body, body);
  });

  test('pieces with another type or length do not join, and the later ones count', () => {
    for (const change of [{ type: 11 }, { length: 200 }]) {
      const reassembly = new Reassembly();
      reassembly.add(0, fragment(0, 50, change));
      assert.equal(reassembly.add(0, fragment(50, 50)), 'kept');
      assert.equal(reassembly.take(0), undefined);
      assert.equal(reassembly.add(0, fragment(0, 50)), 'kept');
      assert.deepEqual(reassembly.take(0)?.body, body);
    }
  });

  test('the next message, whole, takes the place of whatever is kept: foreign pieces, a foreign message, wrong bytes', () => {
    for (const forged of [
      fragment(0, 50, { type: 11, length: 300 }),
      fragment(0, 0, { type: 11, length: 0 }),
      fragment(5, 1, { fragment: Uint8Array.of(0xff) }),
    ]) {
      const reassembly = new Reassembly();
      reassembly.add(0, forged);
      assert.equal(reassembly.add(0, fragment(0, 100)), 'kept');
      assert.deepEqual(reassembly.take(0)?.body, body);
    }
  });

  test('the next message finds room at the cost of those ahead, the farthest first', () => {
    const reassembly = new Reassembly();
    const large = new Uint8Array(8000);
    const ahead = (messageSeq: number): MessageFragment =>
      fragment(0, 0, { fragment: large, length: large.length, messageSeq });
    assert.equal(reassembly.add(0, ahead(1)), 'ahead');
    assert.equal(reassembly.add(0, ahead(3)), 'ahead');
    assert.equal(reassembly.add(0, ahead(4)), 'refused', 'no farther one to forget');
    const next = new Uint8Array(8000).fill(1);
    assert.equal(reassembly.add(0, fragment(0, 0, { fragment: next, length: next.length })), 'kept');
    assert.deepEqual(reassembly.take(0)?.body, next);
    assert.deepEqual(reassembly.take(0)?.body, large);
    assert.equal(reassembly.keptBytes, 0);
  });

  test('a message that was taken and refused can come again', () => {
    const reassembly = new Reassembly();
    reassembly.add(0, fragment(0, 100, { type: 99 }));
    const forged = reassembly.take(0);
    assert.ok(forged !== undefined);
    reassembly.waitAgainFor(forged);
    assert.equal(reassembly.add(0, fragment(0, 100)), 'kept');
    assert.equal(reassembly.take(0)?.type, 16);
  });

  test('epochs do not mix: a forged Finished in the clear does not block the real one', () => {
    const reassembly = new Reassembly();
    reassembly.add(0, fragment(0, 12, { type: 20, length: 12 }));
    assert.equal(reassembly.take(1), undefined);
    assert.equal(reassembly.add(1, fragment(0, 100)), 'kept');
    assert.deepEqual(reassembly.take(1)?.body, body);
    assert.equal(reassembly.keptBytes, 0);
  });

  test('an empty message is whole; an empty piece of another is refused', () => {
    const reassembly = new Reassembly();
    assert.equal(reassembly.add(0, fragment(0, 0)), 'refused');
    assert.equal(reassembly.add(0, fragment(0, 0, { length: 0, type: 14 })), 'kept');
    assert.equal(reassembly.take(0)?.body.length, 0);
  });

  test('keeps at most 8 messages ahead, 17 KiB, and 32 ranges', () => {
    const { messagesAhead, keptBytes, messageLength, ranges } = reassemblyLimits;
    const reassembly = new Reassembly();
    assert.equal(reassembly.add(0, fragment(0, 100, { messageSeq: messagesAhead })), 'refused');
    assert.equal(reassembly.add(0, fragment(0, 100, { messageSeq: messagesAhead - 1 })), 'ahead');
    assert.equal(reassembly.add(0, fragment(0, 1, { length: messageLength + 1 })), 'refused');
    assert.equal(reassembly.keptBytes, 228, 'a slot counts 128 bytes');
    assert.equal(keptBytes, 17 * 1024);
    for (let messageSeq = 0; messageSeq < messagesAhead; messageSeq++) {
      reassembly.add(0, fragment(0, 1, { length: messageLength, messageSeq }));
      assert.ok(reassembly.keptBytes <= keptBytes);
    }

    const holes = new Reassembly();
    const sparse = (i: number, messageSeq: number): MessageFragment =>
      fragment(0, 0, { length: 1000, messageSeq, fragmentOffset: 2 * i, fragment: Uint8Array.of(1) });
    for (let i = 0; i < ranges; i++) assert.equal(holes.add(0, sparse(i, 1)), 'ahead');
    assert.equal(holes.add(0, sparse(ranges, 1)), 'refused');
    assert.equal(holes.add(0, sparse(0, 0)), 'kept', 'the next message comes first');
    assert.equal(holes.keptBytes, 1128);
    for (let i = 0; i < 100; i++) assert.equal(holes.add(0, sparse(i, 0)), 'kept');
    assert.equal(holes.keptBytes, 1128);
  });

  test('what is kept does not change when the datagram is used again', () => {
    const reassembly = new Reassembly();
    const datagram = body.slice();
    reassembly.add(0, fragment(0, 0, { fragment: datagram }));
    datagram.fill(0);
    assert.deepEqual(reassembly.take(0)?.body, body);
  });

  test('a first answer is found at any message_seq, and is not kept', () => {
    const reassembly = new Reassembly();
    reassembly.add(0, fragment(0, 100, { type: 14, messageSeq: 3 }));
    reassembly.add(0, fragment(0, 100, { type: 2, messageSeq: 1 }));
    assert.equal(reassembly.takeOutOfOrder([2, 3])?.messageSeq, 1);
    assert.equal(reassembly.takeOutOfOrder([2, 3]), undefined);
    reassembly.skipTo(3);
    assert.equal(reassembly.take(0)?.type, 14);
  });
});
