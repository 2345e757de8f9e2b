/**
 * Framing for byte streams and WebSocket messages: lengths of all sizes, any chunking, bounds on what is kept.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Code, isReservedCode } from '../../../src/core/coap/code.ts';
import type { MessageContent } from '../../../src/core/coap/message-view.ts';
import { OptionSet } from '../../../src/core/coap/option-set.ts';
import { isSignalingCode } from '../../../src/core/coap/signaling.ts';
import {
  decodeStreamMessage,
  encodeStreamMessage,
  StreamDecoder,
  type StreamFraming,
  type StreamMessage,
} from '../../../src/core/coap/stream-codec.ts';
import { concatBytes, fromHex, toHex } from '../../../src/core/foundation/bytes.ts';
import { type DecodeFault, isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';

const limits = { maxMessageSize: 200_000, maxTokenLength: 100 };
const seed = 8323;

const optionNumber = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 65_535 }));
const messages: fc.Arbitrary<MessageContent> = fc.record({
  code: fc.integer({ min: 1, max: 255 }).filter((code) => !isReservedCode(code) || isSignalingCode(code)),
  token: fc.oneof(fc.uint8Array({ maxLength: 8 }), fc.uint8Array({ maxLength: 100 })),
  options: fc
    .array(fc.record({ number: optionNumber, value: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 8 })
    .map((entries) => OptionSet.from(entries)),
  payload: fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ maxLength: 2000 })),
});

function fields({ code, token, options, payload }: MessageContent): unknown {
  return {
    code,
    token: toHex(token),
    options: [...options.entries()].map(({ number, value }) => [number, toHex(value)]),
    payload: toHex(payload),
  };
}

function content(payloadLength: number, token = ''): MessageContent {
  return {
    code: Code.Content,
    token: bytes(token),
    options: new OptionSet(),
    payload: new Uint8Array(payloadLength).fill(0x61),
  };
}

function bytes(text: string): Uint8Array {
  return fromHex(text.replaceAll(' ', '')) as Uint8Array;
}

function all(decoder: StreamDecoder, chunks: readonly Uint8Array[]): (StreamMessage | DecodeFault)[] {
  const found: (StreamMessage | DecodeFault)[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk.slice());
    for (let next = decoder.next(); next !== undefined; next = decoder.next()) {
      found.push(next);
      if (isDecodeFault(next)) return found;
    }
  }
  return found;
}

function messageOf(result: StreamMessage | DecodeFault | undefined): StreamMessage {
  assert.ok(result !== undefined && !isDecodeFault(result), JSON.stringify(result));
  return result;
}

describe('lengths of a message', () => {
  // Payload of n bytes: n + 1 with its marker.
  for (const [payload, header] of [
    [0, '00 45'],
    [11, 'c0 45'],
    [12, 'd0 00 45'],
    [267, 'd0 ff 45'],
    [268, 'e0 0000 45'],
    [65_803, 'e0 ffff 45'],
    [65_804, 'f0 00000000 45'],
    [65_805, 'f0 00000001 45'],
  ] as const) {
    it(`${payload} bytes of payload have the header ${header}`, () => {
      const encoded = encodeStreamMessage(content(payload), 'tcp');
      assert.equal(toHex(encoded.subarray(0, bytes(header).length)), header.replaceAll(' ', ''));
      assert.equal(messageOf(decodeStreamMessage(encoded, 'tcp')).payload.length, payload);
    });
  }

  it('over WebSocket Len is zero whatever the length', () => {
    const encoded = encodeStreamMessage(content(1000, '7f'), 'websocket');
    assert.equal(toHex(encoded.subarray(0, 4)), '01457fff');
    assert.equal(messageOf(decodeStreamMessage(encoded, 'websocket')).payload.length, 1000);
  });
});

describe('tokens', () => {
  for (const [length, header] of [
    [12, '0c 45'],
    [13, '0d 45 00'],
    [268, '0d 45 ff'],
    [269, '0e 45 0000'],
    [65_804, '0e 45 ffff'],
  ] as const) {
    it(`of ${length} bytes have the header ${header}`, () => {
      const message = { ...content(0), token: new Uint8Array(length).fill(7) };
      for (const framing of ['tcp', 'websocket'] as const) {
        const encoded = encodeStreamMessage(message, framing);
        assert.equal(toHex(encoded.subarray(0, bytes(header).length)), header.replaceAll(' ', ''));
        assert.deepEqual(messageOf(decodeStreamMessage(encoded, framing)).token, message.token);
      }
    });
  }
});

describe('the stream decoder', () => {
  it('finds the same messages however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(messages, { minLength: 1, maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 40 }),
        (sent, cuts) => {
          const stream = concatBytes(...sent.map((message) => encodeStreamMessage(message, 'tcp')));
          const chunks: Uint8Array[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = cuts[i % cuts.length] as number;
            chunks.push(stream.subarray(at, at + size));
            at += size;
          }
          const decoder = new StreamDecoder(limits);
          const found = all(decoder, chunks).map((one) => fields(messageOf(one)));
          assert.deepEqual(found, sent.map(fields));
          assert.equal(decoder.pending, 0);
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  it('keeps a message whole when later chunks come', () => {
    const decoder = new StreamDecoder(limits);
    const stream = concatBytes(
      encodeStreamMessage(content(40, '01'), 'tcp'),
      encodeStreamMessage(content(50, '02'), 'tcp'),
    );
    decoder.push(stream.slice(0, 60));
    const first = messageOf(decoder.next());
    const before = toHex(first.bytes);
    decoder.push(stream.slice(60));
    assert.equal(toHex(messageOf(decoder.next()).token), '02');
    assert.equal(toHex(first.bytes), before);
  });

  it('takes a message that comes byte by byte, and never holds more than twice of what came', () => {
    const encoded = encodeStreamMessage(content(5000, 'aa'), 'tcp');
    const decoder = new StreamDecoder(limits);
    for (const [at, byte] of encoded.entries()) {
      decoder.push(Uint8Array.of(byte));
      const next = decoder.next();
      if (at + 1 < encoded.length) {
        assert.equal(next, undefined);
        assert.equal(decoder.pending, at + 1);
      } else assert.equal(messageOf(next).payload.length, 5000);
    }
  });

  it('refuses a header that announces 4 GiB as soon as it is there, and keeps nothing of it', () => {
    const decoder = new StreamDecoder(limits);
    decoder.push(bytes('f0 ffffff'));
    assert.equal(decoder.next(), undefined);
    decoder.push(bytes('ff'));
    const fault = decoder.next();
    assert.ok(fault !== undefined && isDecodeFault(fault));
    assert.match(fault.reason, /message of 4295033\d{3} bytes, at most 200000/);
    assert.equal(decoder.pending, 0);
    decoder.push(new Uint8Array(1000));
    assert.equal(decoder.pending, 0, 'what comes after is not kept');
    assert.equal(decoder.next(), fault, 'and the fault stays');
  });

  it('takes a message of exactly the largest size, and none of one byte more', () => {
    const exact = encodeStreamMessage(content(1000), 'tcp');
    const decoder = (maxMessageSize: number): StreamDecoder =>
      new StreamDecoder({ ...limits, maxMessageSize });
    messageOf(all(decoder(exact.length), [exact])[0]);
    const [refused] = all(decoder(exact.length - 1), [exact]);
    assert.ok(refused !== undefined && isDecodeFault(refused));
  });

  it('counts an extended token before it is there', () => {
    const decoder = new StreamDecoder({ maxMessageSize: 100, maxTokenLength: 1000 });
    decoder.push(bytes('0e 45'));
    const fault = decoder.next();
    assert.ok(
      fault !== undefined && isDecodeFault(fault),
      'a token of 269 bytes or more does not fit into 100',
    );
  });

  it('gives random bytes a meaning or refuses them, in any chunks alike', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 30 }), (stream, size) => {
        const small = { maxMessageSize: 100, maxTokenLength: 20 };
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size));
        const text = (found: (StreamMessage | DecodeFault)[]): unknown =>
          found.map((one) => (isDecodeFault(one) ? 'fault' : fields(one)));
        const whole = all(new StreamDecoder(small), [stream]);
        assert.deepEqual(text(all(new StreamDecoder(small), chunks)), text(whole));
      }),
      { seed, numRuns: 3000 },
    );
  });
});

describe('what is no message', () => {
  const framings: readonly StreamFraming[] = ['tcp', 'websocket'];
  for (const [what, hex, framing] of [
    ['a token length of 15', '0f 45', 'both'],
    ['a reserved code class', '00 20', 'both'],
    ['a reserved code class', '00 c1', 'both'],
    ['an Empty message with a token', '01 00 aa', 'both'],
    ['an Empty message with content', '20 00 ff 61', 'tcp'],
    ['a payload marker without a payload', '10 45 ff', 'tcp'],
    ['an option that is longer than the message', '20 01 b4 61', 'tcp'],
    ['option delta 15', '10 01 f0', 'tcp'],
    ['a Len in a WebSocket message', '10 45 00', 'websocket'],
    ['a token longer than announced', `0d 01 60 ${'00'.repeat(109)}`, 'both'],
    ['a token that is cut off', '05 45 aa', 'websocket'],
    ['nothing', '', 'websocket'],
  ] as const) {
    for (const one of framings.filter((each) => framing === 'both' || each === framing)) {
      it(`${what} (${hex.slice(0, 20)}, ${one})`, () => {
        const fault = decodeStreamMessage(bytes(hex), one, limits);
        assert.ok(isDecodeFault(fault), JSON.stringify(fault));
        assert.ok(fault.offset >= 0 && fault.offset <= bytes(hex).length);
      });
    }
  }

  it('a response may have a longer token than requests: it is the one that was sent', () => {
    const message = { ...content(0), token: new Uint8Array(200) };
    assert.equal(
      messageOf(decodeStreamMessage(encodeStreamMessage(message, 'tcp'), 'tcp', limits)).token.length,
      200,
    );
  });
});

describe('encoding', () => {
  it('decode(encode(message)) is the message', () => {
    fc.assert(
      fc.property(messages, fc.constantFrom<StreamFraming>('tcp', 'websocket'), (message, framing) => {
        const encoded = encodeStreamMessage(message, framing);
        const decoded = messageOf(decodeStreamMessage(encoded, framing));
        assert.deepEqual(fields(decoded), fields(message));
        assert.deepEqual(encodeStreamMessage(decoded, framing), encoded);
      }),
      { seed, numRuns: 500 },
    );
  });

  it('refuses what has no encoding', () => {
    const message = content(0);
    const misuse = { code: 'ERR_API_MISUSE' };
    assert.throws(() => encodeStreamMessage({ ...message, code: 0x20 }, 'tcp'), misuse);
    assert.throws(() => encodeStreamMessage({ ...message, code: 256 }, 'tcp'), misuse);
    assert.throws(() => encodeStreamMessage({ ...message, token: new Uint8Array(65_805) }, 'tcp'), misuse);
    assert.throws(() => encodeStreamMessage({ ...message, code: 0, payload: bytes('61') }, 'tcp'), misuse);
  });

  it('random mutations of messages never make the decoder throw', () => {
    const random = new SeededRandom(seed);
    const original = encodeStreamMessage(content(300, 'aabb'), 'tcp');
    for (let run = 0; run < 3000; run++) {
      const changed = original.slice();
      changed[random.integer(changed.length)] = random.integer(256);
      all(new StreamDecoder(limits), [changed]);
    }
  });
});
