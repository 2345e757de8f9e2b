/** Payloads with more in them than anybody reads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { payloadFields } from '../../src/decode/payload-fields.ts';

const cbor = 60;
const cborSequence = 63;
const problemDetails = 257;

test('of a CBOR sequence of 60,000 items 200 are listed, and the others counted', () => {
  const { value, fields = [] } = payloadFields(new Uint8Array(60_000).fill(1), cborSequence);
  assert.equal(value, '60000 items');
  assert.equal(fields.length, 201);
  assert.deepEqual(
    [fields[0], fields[199], fields[200]].map((field) => `${field?.name}: ${field?.value}`),
    ['0: 1', '199: 1', 'more: 59800 more are not shown'],
  );
});

test('CBOR of more than 16 KiB is not written out, and problem details of that size are listed', () => {
  const items = (count: number): Uint8Array => Uint8Array.from([0x9f, ...Array<number>(count).fill(1), 0xff]);
  assert.match(payloadFields(items(16_382), cbor).value, /^\[_ 1, 1, /);
  assert.equal(
    payloadFields(items(16_383), cbor).value,
    '16385 bytes, where CBOR of 16384 at most is written out',
  );
  const title = [0x20, 0x61, 0x61];
  const others = Array.from({ length: 6000 }, (_, key) => [0x19, 1 + (key >> 8), key & 255, 1]).flat();
  const details = payloadFields(Uint8Array.from([0xbf, ...title, ...others, 0xff]), problemDetails);
  assert.equal(details.problem, undefined);
  assert.deepEqual(
    [details.fields?.[0]?.name, details.fields?.[0]?.value, details.fields?.at(-1)?.value],
    ['title', '"a"', '5801 more are not shown'],
  );
  assert.notEqual(payloadFields(items(20_000), problemDetails).problem, undefined);
});
