/**
 * RFC 7252 §3, sentence by sentence, and the malformed messages that have broken other decoders.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Code, isReservedCode } from '../../../src/core/coap/code.ts';
import {
  decodeMessage,
  encodeMessage,
  type MessageDecodeFault,
} from '../../../src/core/coap/message-codec.ts';
import type { Message, MessageView } from '../../../src/core/coap/message-view.ts';
import {
  isLegalOptionLength,
  OptionNumber,
  optionDefinition,
} from '../../../src/core/coap/option-registry.ts';
import { type OptionReader, OptionSet } from '../../../src/core/coap/option-set.ts';
import { concatBytes, noBytes } from '../../../src/core/foundation/bytes.ts';
import { ApiMisuseError, isDecodeFault } from '../../../src/core/foundation/errors.ts';
import { hex } from './vectors.ts';

function decoded(datagram: Uint8Array): MessageView {
  const message = decodeMessage(datagram);
  assert.ok(!isDecodeFault(message), JSON.stringify(message));
  return message;
}

function refused(datagram: Uint8Array): MessageDecodeFault {
  const fault = decodeMessage(datagram);
  assert.ok(isDecodeFault(fault), 'was decoded');
  assert.equal(fault.layer, 'coap');
  assert.ok(fault.offset >= 0 && fault.offset <= datagram.length);
  return fault;
}

/** A CON GET with Message ID 0x1234 and the given bytes behind its header. */
const get = (behind: string): Uint8Array => hex(`40011234${behind}`);

function message(changes: Partial<Message> = {}): Message {
  return {
    type: 'CON',
    code: Code.Get,
    messageId: 0x1234,
    token: noBytes,
    options: new OptionSet(),
    payload: noBytes,
    ...changes,
  };
}

describe('RFC 7252 §3: header', () => {
  it('implementations set the version field to 1', () => {
    for (const type of ['CON', 'NON', 'ACK', 'RST'] as const) {
      const datagram = encodeMessage(message({ type }));
      assert.equal((datagram[0] as number) >> 6, 1);
      assert.equal(decoded(datagram).type, type);
    }
  });

  it('a message with an unknown version number can only be ignored: the fault names no Message ID', () => {
    for (const version of [0, 2, 3]) {
      const datagram = get('');
      datagram[0] = version << 6;
      const fault = refused(datagram);
      assert.equal(fault.messageId, undefined);
      assert.equal(fault.type, undefined);
    }
  });

  it('token lengths of 0 to 8 are tokens', () => {
    for (let length = 0; length <= 8; length++) {
      const token = new Uint8Array(length).fill(0xa5);
      const datagram = encodeMessage(message({ token }));
      assert.equal(datagram.length, 4 + length);
      assert.deepEqual(decoded(datagram).token, token);
    }
  });

  it('token lengths 9 to 15 are a message format error, with 0 to 20 bytes behind the header', () => {
    for (let length = 9; length <= 15; length++) {
      for (let behind = 0; behind <= 20; behind++) {
        const datagram = concatBytes(hex('40011234'), new Uint8Array(behind));
        datagram[0] = 0x40 | length;
        const fault = refused(datagram);
        assert.equal(fault.messageId, 0x1234);
        assert.equal(fault.type, 'CON');
      }
    }
  });

  it('token lengths 9 to 15 are not sent', () => {
    assert.throws(() => encodeMessage(message({ token: new Uint8Array(9) })), ApiMisuseError);
  });

  it('a token that is cut off is a message format error', () => {
    for (let length = 1; length <= 8; length++) {
      for (let there = 0; there < length; there++) {
        const datagram = concatBytes(hex('40011234'), new Uint8Array(there));
        datagram[0] = 0x40 | length;
        refused(datagram);
      }
    }
  });

  it('a datagram of 0 to 3 bytes is refused without a Message ID', () => {
    for (let length = 0; length < 4; length++) {
      const fault = refused(get('').subarray(0, length));
      assert.equal(fault.messageId, undefined);
    }
  });

  it('the Message ID is in network byte order', () => {
    assert.equal(decoded(get('')).messageId, 0x1234);
    assert.deepEqual(encodeMessage(message({ messageId: 0xfffe })), hex('4001fffe'));
  });

  it('the fault of every malformed message of version 1 carries type and Message ID', () => {
    for (const [first, type] of [
      [0x40, 'CON'],
      [0x50, 'NON'],
      [0x60, 'ACK'],
      [0x70, 'RST'],
    ] as const) {
      const datagram = hex('000112340fff');
      datagram[0] = first;
      const fault = refused(datagram);
      assert.equal(fault.type, type);
      assert.equal(fault.messageId, 0x1234);
    }
  });
});

describe('RFC 7252 §4.1, §4.2, §12.1: codes', () => {
  it('a code of the reserved classes 1, 6 and 7 is refused, every other non-empty code is decoded', () => {
    for (let code = 1; code < 256; code++) {
      const datagram = get('');
      datagram[1] = code;
      if ([1, 6, 7].includes(code >> 5)) {
        assert.ok(isReservedCode(code));
        assert.equal(refused(datagram).offset, 1);
        assert.throws(() => encodeMessage(message({ code })), ApiMisuseError);
      } else {
        assert.equal(decoded(datagram).code, code);
      }
    }
  });

  it('an Empty message is 4 bytes', () => {
    assert.equal(decoded(hex('60001234')).code, Code.Empty);
    assert.deepEqual(encodeMessage(message({ type: 'RST', code: Code.Empty })), hex('70001234'));
  });

  it('an Empty message with anything behind its header is a message format error', () => {
    for (const datagram of [
      '6000123400',
      '60001234ff',
      '60001234ff00',
      '6100123400',
      '60001234b161',
      '61001234',
    ]) {
      assert.equal(refused(hex(datagram)).messageId, 0x1234);
    }
    for (const content of [
      { token: hex('01') },
      { payload: hex('01') },
      { options: new OptionSet().add(11, 'a') },
    ]) {
      assert.throws(() => encodeMessage(message({ code: Code.Empty, ...content })), ApiMisuseError);
    }
  });
});

describe('RFC 7252 §3: payload', () => {
  it('the payload goes from the marker to the end of the datagram', () => {
    assert.deepEqual(decoded(get('ff00ff00')).payload, hex('00ff00'));
    assert.deepEqual(encodeMessage(message({ payload: hex('00ff00') })), get('ff00ff00'));
  });

  it('without a marker there is no payload', () => {
    assert.equal(decoded(get('b161')).payload.length, 0);
    assert.deepEqual(encodeMessage(message()), get(''));
  });

  it('a marker followed by a payload of zero length is a message format error', () => {
    assert.equal(refused(get('ff')).offset, 4);
    assert.equal(refused(get('b161ff')).offset, 6);
    assert.equal(refused(hex('42011234aabbff')).offset, 6);
  });

  it('the byte 0xff inside an option length or value is no payload marker', () => {
    const value = new Uint8Array(255 + 13).fill(0xff);
    const datagram = encodeMessage(message({ options: new OptionSet().add(11, value) }));
    assert.deepEqual(decoded(datagram).options.all(11), [value]);
    assert.equal(decoded(datagram).payload.length, 0);
  });

  it('a datagram of 65,507 bytes is a message like another', () => {
    const datagram = new Uint8Array(65_507).fill(0xff);
    datagram.set(hex('40011234'));
    assert.equal(decoded(datagram).payload.length, 65_507 - 5);
  });
});

describe('RFC 7252 §3.1: options', () => {
  it('the option number is the sum of the deltas', () => {
    const options = decoded(get('3161 8162 0163 d0 04')).options;
    assert.deepEqual(options.entries(), [
      { number: 3, value: hex('61') },
      { number: 11, value: hex('62') },
      { number: 11, value: hex('63') },
      { number: 28, value: noBytes },
    ]);
  });

  it('instances appear in order of their option numbers, and those of one option in the order given', () => {
    const options = new OptionSet().add(11, 'b').add(3, 'host').add(11, 'a').add(4, hex('01'));
    assert.deepEqual(decoded(encodeMessage(message({ options }))).options.entries(), [
      { number: 3, value: hex('686f7374') },
      { number: 4, value: hex('01') },
      { number: 11, value: hex('62') },
      { number: 11, value: hex('61') },
    ]);
  });

  it('options that are not in order are not sent', () => {
    const entries = [
      { number: 11, value: noBytes },
      { number: 3, value: noBytes },
    ];
    const options: OptionReader = Object.assign(new OptionSet(), { entries: () => entries });
    assert.throws(() => encodeMessage(message({ options })), ApiMisuseError);
  });

  it('options are read from an iterator that can be walked only once', () => {
    const set = new OptionSet().add(11, 'a').add(12, 0);
    const once: OptionReader = Object.assign(new OptionSet(), { entries: () => set.entries().values() });
    assert.deepEqual(encodeMessage(message({ options: once })), encodeMessage(message({ options: set })));
  });

  it('deltas and lengths at the borders of 12, 13, 268, 269 and the largest are extended and read back', () => {
    const borders = [0, 1, 12, 13, 14, 268, 269, 270, 524, 525, 65_535];
    for (const number of borders) {
      for (const length of [...borders, 65_535 + 269]) {
        const value = new Uint8Array(length).fill(0x5a);
        const datagram = encodeMessage(message({ options: new OptionSet().add(number, value) }));
        const extension = (n: number) => (n < 13 ? 0 : n < 269 ? 1 : 2);
        assert.equal(datagram.length, 5 + extension(number) + extension(length) + length);
        assert.deepEqual(decoded(datagram).options.entries(), [{ number, value }]);
      }
    }
  });

  it('option delta 15 is a message format error when the byte is not the payload marker', () => {
    for (let length = 0; length < 15; length++) {
      const datagram = concatBytes(get(''), new Uint8Array(400));
      datagram[4] = 0xf0 | length;
      assert.equal(refused(datagram).offset, 4);
    }
  });

  it('option length 15 is a message format error', () => {
    for (let delta = 0; delta < 15; delta++) {
      const datagram = concatBytes(get(''), new Uint8Array(400));
      datagram[4] = (delta << 4) | 15;
      assert.equal(refused(datagram).offset, 4);
    }
  });

  it('extended deltas and lengths that are cut off are a message format error', () => {
    for (const cut of [
      'd0',
      'e0',
      'e000',
      '0d',
      '0e',
      '0e00',
      'dd',
      'dd00',
      'de00',
      'de0000',
      'ed0000',
      'ee000000',
    ]) {
      assert.equal(refused(get(cut)).offset, 4 + cut.length / 2, cut);
    }
  });

  it('an option value that is cut off is a message format error', () => {
    for (const cut of [
      '01',
      '0261',
      '0d00',
      `0d00${'61'.repeat(12)}`,
      '0e0000',
      `0effff${'61'.repeat(400)}`,
    ]) {
      assert.equal(refused(get(cut)).offset, 4 + cut.length / 2, cut);
    }
  });

  it('a length just behind the end is refused, the length to the end is not', () => {
    for (const length of [1, 12, 13, 268, 269, 300]) {
      const datagram = encodeMessage(message({ options: new OptionSet().add(11, new Uint8Array(length)) }));
      assert.deepEqual(decoded(datagram).options.first(11), new Uint8Array(length));
      refused(datagram.subarray(0, -1));
    }
  });

  it('an option number above 65535 is a message format error and does not wrap around', () => {
    // 65535 + 269 in one delta, and 269 + 65267 in two.
    refused(get('e0ffff'));
    assert.equal(decoded(get('e0fef2')).options.has(65_535), true);
    refused(get('e0fef2 10'));
    refused(get('e00000 e0fef2'));
    // 65536 + 11 must not read as Uri-Path.
    refused(get('e0fef2 c161'));
  });

  it('options of zero length are stepped over and end', () => {
    const datagram = concatBytes(get(''), new Uint8Array(60_000));
    assert.equal(decoded(datagram).options.all(0).length, 60_000);
  });
});

describe('total decoding', () => {
  it('every mutation of one byte of a message, and every prefix of it, is decoded or refused', () => {
    const valid = encodeMessage(
      message({
        token: hex('0102'),
        options: new OptionSet()
          .add(OptionNumber.UriPath, 'temperature-readings')
          .add(OptionNumber.Size1, 300),
        payload: hex('22'),
      }),
    );
    for (let at = 0; at < valid.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const datagram = valid.slice();
        datagram[at] = byte;
        touch(datagram);
      }
      touch(valid.subarray(0, at));
    }
  });

  it('every combination of the first two bytes behind the header is decoded or refused', () => {
    const datagram = get('0000000000');
    for (let pair = 0; pair < 0x10000; pair++) {
      datagram[4] = pair >> 8;
      datagram[5] = pair & 255;
      for (let length = 5; length <= 9; length++) touch(datagram.subarray(0, length));
    }
  });

  it('a Content-Format of 3 bytes is read without an exception, and is of no legal length', () => {
    const { options } = decoded(get('c3000032'));
    assert.equal(options.uint(OptionNumber.ContentFormat), 50);
    const definition = optionDefinition(OptionNumber.ContentFormat);
    assert.ok(definition);
    assert.equal(
      isLegalOptionLength(definition, options.first(OptionNumber.ContentFormat)?.length ?? 0),
      false,
    );
  });

  it('decoding does not change the datagram and copies nothing out of it', () => {
    const datagram = get('b161ff22');
    const before = datagram.slice();
    const view = decoded(datagram);
    assert.equal(view.payload.buffer, datagram.buffer);
    assert.equal(view.options.first(11)?.buffer, datagram.buffer);
    assert.deepEqual(datagram, before);
  });

  /** Decodes and reads everything there is to read. */
  function touch(datagram: Uint8Array): void {
    const result = decodeMessage(datagram);
    if (isDecodeFault(result)) {
      assert.equal(typeof result.reason, 'string');
      return;
    }
    let size = 4 + result.token.length + result.payload.length;
    for (const { number, value } of result.options.entries()) {
      assert.ok(number <= 65_535);
      size += value.length;
    }
    assert.ok(size <= datagram.length);
  }
});

describe('encodeMessage', () => {
  it('refuses what has no encoding', () => {
    for (const changes of [
      { messageId: -1 },
      { messageId: 65_536 },
      { messageId: 1.5 },
      { messageId: Number.NaN },
      { code: -1 },
      { code: 256 },
      { code: 1.5 },
      { type: 'XYZ' as 'CON' },
    ]) {
      assert.throws(() => encodeMessage(message(changes)), ApiMisuseError, JSON.stringify(changes));
    }
  });
});
