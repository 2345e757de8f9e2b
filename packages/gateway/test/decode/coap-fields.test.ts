/** Messages with more options than anybody reads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coapFields, streamCoapFields } from '../../src/decode/coap-fields.ts';

const head = [0x40, 0x01, 0x12, 0x34];
/** Content-Format 50, application/json, and an empty Uri-Query. */
const contentFormat = [0xc1, 50, 0x30];
const json = [0xff, ...new TextEncoder().encode('{"a":1}')];
/** An option of the number before, with a value of so many bytes. */
const option = (length: number): readonly number[] =>
  length < 13
    ? [length, ...Array<number>(length).fill(0x61)]
    : length < 269
      ? [13, length - 13, ...Array<number>(length).fill(0x61)]
      : [14, (length - 269) >> 8, (length - 269) & 255, ...Array<number>(length).fill(0x61)];

test('of 60,000 options 256 are listed, the others are counted, and the payload behind them is read', () => {
  const bytes = Uint8Array.from([...head, ...contentFormat, ...Array<number>(60_000).fill(0), ...json]);
  const { fields, problem } = coapFields(bytes);
  assert.equal(problem, undefined);
  assert.equal(fields.filter(({ name }) => name === 'Uri-Query').length, 255);
  const [rest, marker, payload] = fields.slice(-3);
  assert.deepEqual(rest, {
    ...{ name: 'Options', value: '59746 more, which are not listed' },
    ...{ start: 4 + 3 + 254, end: bytes.length - json.length },
  });
  assert.equal(marker?.name, 'Payload Marker');
  assert.match(payload?.value ?? '', /^\{"a": ?1\}$/);
});

test('options that are not listed are passed by their lengths, of every form, over UDP and in a stream', () => {
  const many = Array.from({ length: 256 }, () => 0);
  const others = [0, 12, 13, 268, 269, 1000].flatMap(option);
  for (const [decoded, name] of [
    [coapFields(Uint8Array.from([...head, ...contentFormat, ...many, ...others, ...json])), 'udp'],
    [
      streamCoapFields(
        Uint8Array.from([0xe0, 0, 0, 0x01, ...contentFormat, ...many, ...others, ...json]),
        'tcp',
      ),
      'tcp',
    ],
  ] as const) {
    assert.equal(decoded.fields.at(-3)?.value, '8 more, which are not listed', name);
    assert.match(decoded.fields.at(-1)?.value ?? '', /^\{"a": ?1\}$/, name);
  }
});

test('a broken option behind those that are not listed is named where it is', () => {
  for (const [broken, text] of [
    [[0x0f], /15 is reserved/],
    [[0x05, 1], /5 bytes|only|cut|missing|expected/i],
  ] as const) {
    const { fields, problem } = coapFields(
      Uint8Array.from([...head, ...contentFormat, ...Array<number>(300).fill(0), ...broken]),
    );
    assert.notEqual(problem, undefined);
    assert.match(JSON.stringify(fields.slice(-2)), text);
  }
});
