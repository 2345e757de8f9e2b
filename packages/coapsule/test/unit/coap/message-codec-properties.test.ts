/**
 * Properties of the message codec over random messages, random bytes and mutated messages.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { isReservedCode } from '../../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage } from '../../../src/core/coap/message-codec.ts';
import type { Message, MessageType } from '../../../src/core/coap/message-view.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { isDecodeFault } from '../../../src/core/foundation/errors.ts';

const seed = 7252;

const optionNumber = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 65_535 }));
const entry = fc.record({ number: optionNumber, value: fc.uint8Array({ maxLength: 300 }) });

const messages: fc.Arbitrary<Message> = fc.record({
  type: fc.constantFrom<MessageType>('CON', 'NON', 'ACK', 'RST'),
  code: fc.integer({ min: 1, max: 255 }).filter((code) => !isReservedCode(code)),
  messageId: fc.integer({ min: 0, max: 65_535 }),
  token: fc.uint8Array({ maxLength: 8 }),
  options: fc.array(entry, { maxLength: 12 }).map((entries) => OptionSet.from(entries)),
  payload: fc.uint8Array({ maxLength: 300 }),
});

/** The fields of a message as plain data. */
function fields(message: Message): unknown {
  const { type, code, messageId, token, options, payload } = message;
  return { type, code, messageId, token, options: [...options.entries()], payload };
}

it('decode(encode(message)) is the message', () => {
  fc.assert(
    fc.property(messages, (message) => {
      const decoded = decodeMessage(encodeMessage(message));
      assert.ok(!isDecodeFault(decoded));
      assert.deepEqual(fields(decoded), fields(message));
      assert.deepEqual(encodeMessage(decoded), encodeMessage(message));
    }),
    { seed, numRuns: 500 },
  );
});

it('a view and a set of the same options give the same answers', () => {
  fc.assert(
    fc.property(messages, optionNumber, (message, number) => {
      const decoded = decodeMessage(encodeMessage(message));
      assert.ok(!isDecodeFault(decoded));
      const present = [...message.options.entries()].map((option) => option.number);
      for (const asked of [number, ...present]) {
        for (const method of ['has', 'first', 'all', 'uint', 'text', 'texts'] as const) {
          assert.deepEqual(
            decoded.options[method](asked),
            message.options[method](asked),
            `${method}(${asked})`,
          );
        }
        assert.equal(decoded.options.has(asked), present.includes(asked));
      }
    }),
    { seed, numRuns: 300 },
  );
});

it('random bytes are decoded or refused, and what is decoded encodes to a message with the same fields', () => {
  const header = fc.tuple(fc.integer({ min: 0x40, max: 0x7f }), fc.uint8Array({ maxLength: 60 }));
  const datagrams = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    header.map(([first, rest]) => Uint8Array.of(first, ...rest)),
  );
  fc.assert(fc.property(datagrams, decodesOrRefuses), { seed, numRuns: 3000 });
});

it('messages with one to four bytes changed, or cut off, are decoded or refused', () => {
  const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(messages, edits, fc.option(fc.nat()), (message, changes, cut) => {
      const datagram = encodeMessage(message);
      for (const [at, byte] of changes) datagram[at % datagram.length] = byte;
      decodesOrRefuses(cut === null ? datagram : datagram.subarray(0, cut % datagram.length));
    }),
    { seed, numRuns: 2000 },
  );
});

function decodesOrRefuses(datagram: Uint8Array): void {
  const decoded = decodeMessage(datagram);
  if (isDecodeFault(decoded)) {
    assert.ok(decoded.offset >= 0 && decoded.offset <= datagram.length);
    return;
  }
  const again = decodeMessage(encodeMessage(decoded));
  assert.ok(!isDecodeFault(again));
  assert.deepEqual(fields(again), fields(decoded));
}
