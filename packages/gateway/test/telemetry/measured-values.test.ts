/** Bodies of readings as values: SenML by RFC 8428, plain text with units, JSON. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type CborValue, encodeCbor } from 'coapsule/cbor';
import { decodeSenmlJson, encodeSenmlCbor, isDecodeFault } from 'coapsule/senml';
import fc from 'fast-check';
import { measuredValues, mostValues } from '../../src/telemetry/measured-values.ts';
import { type Measurement, timeOf } from '../../src/telemetry/measurement.ts';

const nowMs = 1_700_000_000_500;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function values(text: string, format: number | undefined): readonly Measurement[] {
  const found = measuredValues(bytes(text), format, nowMs);
  assert.ok(!('fault' in found), JSON.stringify(found));
  return found;
}

function fault(body: Uint8Array, format: number): string {
  const found = measuredValues(body, format, nowMs);
  assert.ok('fault' in found, JSON.stringify(found));
  return found.fault;
}

test('the examples of RFC 8428 give the values that it says, in JSON and in CBOR', () => {
  const { examples } = JSON.parse(
    readFileSync(new URL('../../../coapsule/test/vectors/coap/rfc8428-senml.json', import.meta.url), 'utf8'),
  ) as { examples: { pack: object[] }[] };
  assert.ok(examples.length > 5);
  for (const { pack } of examples) {
    const text = JSON.stringify(pack);
    const records = decodeSenmlJson(text);
    assert.ok(!isDecodeFault(records));
    const json = values(text, 110);
    assert.ok(json.length > 0, text);
    assert.deepEqual(measuredValues(encodeSenmlCbor(records), 112, nowMs), json);
  }
  // §5.1.3, as in the RFC.
  const [first, ...more] = values(
    `[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},
      {"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3}]`,
    110,
  ).toSorted((a, b) => (a.deviceAtMs ?? 0) - (b.deviceAtMs ?? 0));
  assert.deepEqual(
    [first?.name, first?.unit, first?.value, first?.deviceAtMs],
    ['urn:dev:ow:10e2073a0108006:current', 'A', 1.2, 1_276_020_071_001],
  );
  assert.equal(more.at(-1)?.unit, 'V');
});

test('SenML times are those of the device: absolute, relative to now, and none for now', () => {
  const pack = [
    { bn: 'a:', n: 'x', v: 1 },
    { n: 'x', v: 2, t: -60 },
    { n: 'x', v: 3, t: 1_600_000_000.25 },
  ];
  assert.deepEqual(
    values(JSON.stringify(pack), 110).map(({ value, deviceAtMs }) => [value, deviceAtMs]),
    [
      [3, 1_600_000_000_250],
      [2, nowMs - 60_000],
      [1, undefined],
    ],
  );
});

test('sums, texts, truth values and bytes are values too', () => {
  const pack = [
    { bn: 'm/', n: 'energy', u: 'J', s: 12 },
    { n: 'state', vs: 'open' },
    { n: 'alarm', vb: false },
    { n: 'raw', vd: 'AQI' },
  ];
  assert.deepEqual(
    values(JSON.stringify(pack), 110).map(({ name, value, sum }) => [name, value, sum]),
    [
      ['m/energy', undefined, 12],
      ['m/state', 'open', undefined],
      ['m/alarm', false, undefined],
      ['m/raw', Uint8Array.of(1, 2), undefined],
    ],
  );
});

test('SenML that is none is refused with the position', () => {
  assert.equal(
    fault(bytes('[{"n":"a","v":1},{"n":"b"}]'), 110),
    'SenML Record 1: there is neither a value nor a sum',
  );
  assert.equal(
    fault(bytes('[{"n":"a","v":1,}]'), 110),
    'SenML Record 0: the text is not JSON, at character 16',
  );
  assert.equal(
    fault(bytes('[{"n":"a","v":1}'), 110),
    'SenML Record 0: the text is not JSON, at character 16',
  );
  assert.match(
    fault(bytes('[{"n":"a b","v":1}]'), 110),
    /^SenML Record 0: the name "a b" has other characters/,
  );
  assert.match(fault(bytes('[{"v":1}]'), 110), /^SenML Record 0: the name "" /);
  assert.match(fault(Uint8Array.of(0x81, 0xa1, 0x00), 112), /^SenML: byte 3: /);
  assert.equal(fault(Uint8Array.of(0x81, 0x01), 112), 'SenML Record 0: a Record is not a map');
  const many = JSON.stringify(Array.from({ length: mostValues + 1 }, () => ({ n: 'a', v: 1 })));
  assert.match(fault(bytes(many), 110), /has 2049 Records; send at most 2048/);
});

test('a text is a number with a unit, in the spellings that devices use, or a text', () => {
  const wanted: [string, number | string, string][] = [
    ['22.5', 22.5, ''],
    ['-0.25e3', -250, ''],
    [' 22.5°C\n', 22.5, 'Cel'],
    ['22.5 Cel', 22.5, 'Cel'],
    ['45%RH', 45, '%RH'],
    ['45 %RH', 45, '%RH'],
    ['72 bpm', 72, 'beat/min'],
    ['98%', 98, '%'],
    ['3.3 V', 3.3, 'V'],
    ['12 kWh', 12, 'kWh'],
    ['.5', 0.5, ''],
    ['open', 'open', ''],
    ['12:30', '12:30', ''],
    ['3 apples', '3 apples', ''],
    ['1e999', '1e999', ''],
    ['0x10', '0x10', ''],
  ];
  for (const [text, value, unit] of wanted) {
    assert.deepEqual(values(text, 0), [{ name: '', unit, value }], text);
  }
  assert.deepEqual(values('x'.repeat(257), 0), []);
});

test('without a content format only what is a number is a value', () => {
  assert.deepEqual(values('22.5', undefined), [{ name: '', unit: '', value: 22.5 }]);
  assert.deepEqual(values('open', undefined), []);
  assert.deepEqual(measuredValues(Uint8Array.of(0xff, 0x31), undefined, nowMs), []);
});

test('JSON is one value, or those of an object under their keys, with unit and time of it', () => {
  const read = (json: unknown): unknown[] =>
    values(JSON.stringify(json), 50).map(({ name, value, unit, deviceAtMs }) => [
      name,
      value,
      unit,
      deviceAtMs,
    ]);
  assert.deepEqual(read(22.5), [['', 22.5, '', undefined]]);
  assert.deepEqual(read({ value: 22.5, unit: '°C', time: '2023-11-14T12:00:00Z' }), [
    ['', 22.5, 'Cel', Date.parse('2023-11-14T12:00:00Z')],
  ]);
  assert.deepEqual(
    read({ hr: 72, spo2: { value: 98, unit: '%', time: 1_600_000_000 }, ok: true, time: 1.6e12 }),
    [
      ['hr', 72, '', 1.6e12],
      ['spo2', 98, '%', 1_600_000_000_000],
      ['ok', true, '', 1.6e12],
    ],
  );
  assert.deepEqual(read({ a: { b: { c: { d: { e: 1 } } } }, list: [1, 2], none: null }), []);
  assert.deepEqual(read({ time: 'soon', unit: 'V' }), [
    ['time', 'soon', '', undefined],
    ['unit', 'V', '', undefined],
  ]);
  assert.deepEqual(values('{"status": on}', 50), []);
});

test('CBOR is read as JSON is', () => {
  const body = encodeCbor(
    new Map<string, CborValue>([
      ['hr', 72],
      ['big', 2n ** 60n],
      [
        't',
        new Map<string, CborValue>([
          ['value', 22.5],
          ['unit', '°C'],
          ['time', 1_600_000_000],
        ]),
      ],
      ['raw', Uint8Array.of(1)],
      ['none', null],
    ]),
  );
  const found = measuredValues(body, 60, nowMs);
  assert.ok(!('fault' in found));
  assert.deepEqual(
    Object.fromEntries(found.map(({ name, value, unit, deviceAtMs }) => [name, [value, unit, deviceAtMs]])),
    { hr: [72, '', undefined], big: [2 ** 60, '', undefined], t: [22.5, 'Cel', 1_600_000_000_000] },
  );
});

test('a body of another format has no values that are known', () => {
  assert.deepEqual(measuredValues(bytes('22.5'), 42, nowMs), []);
  assert.deepEqual(measuredValues(bytes('22.5'), 60, nowMs), []);
});

test('a time that is far ahead, or none, is that of the receipt', () => {
  assert.equal(timeOf(undefined, nowMs), nowMs);
  assert.equal(timeOf(nowMs + 2 * 86_400_000, nowMs), nowMs);
  assert.equal(timeOf(-1, nowMs), nowMs);
  assert.equal(timeOf(nowMs + 3_600_000, nowMs), nowMs + 3_600_000);
  assert.equal(values('[{"n":"a","v":1,"t":1e300}]', 110)[0]?.deviceAtMs, undefined);
});

test('whatever a body is, its values can be kept: bounded in number and name, and times that are whole', () => {
  const json = fc.json({ maxDepth: 6 });
  const record = fc.record(
    {
      bn: fc.constantFrom('a', 'a:', ''),
      n: fc.constantFrom('a', 'b/c', '', ' '),
      u: fc.constantFrom('Cel', 'V', ''),
      t: fc.oneof(fc.double(), fc.integer({ min: -100, max: 2e9 })),
      bt: fc.double({ noNaN: true }),
      v: fc.oneof(fc.double(), fc.integer()),
      vs: fc.string(),
      s: fc.double(),
    },
    { requiredKeys: [] },
  );
  const pack = fc.array(record, { maxLength: 20 }).map((all) => JSON.stringify(all));
  const body = fc.oneof(json, pack, fc.string(), fc.double().map(String));
  const format = fc.constantFrom(undefined, 0, 50, 60, 110, 112, 42);
  fc.assert(
    fc.property(fc.oneof(body.map(bytes), fc.uint8Array({ maxLength: 80 })), format, (input, one) => {
      const found = measuredValues(input, one, nowMs);
      if ('fault' in found) {
        assert.ok(one === 110 || one === 112);
        assert.match(found.fault, /^(SenML|the SenML|a SenML)/);
        return;
      }
      assert.ok(found.length <= mostValues);
      for (const { name, value, sum, deviceAtMs } of found) {
        assert.ok(name.length <= 256);
        assert.ok(value !== undefined || sum !== undefined);
        assert.ok(typeof value !== 'number' || Number.isFinite(value));
        assert.ok(deviceAtMs === undefined || Number.isSafeInteger(deviceAtMs));
        assert.ok(Number.isSafeInteger(timeOf(deviceAtMs, nowMs)));
      }
    }),
    { numRuns: process.env['COAPSULE_LONG'] === '1' ? 100_000 : 2000, seed: 1 },
  );
});

test('a base name that would make thousands of names as long as itself is refused before it does', () => {
  // That there are too many Records is known only when all of them have their names.
  const pack = `[{"bn":"${'x'.repeat(30_000)}","n":"a","v":1}${',{"n":"b","v":1}'.repeat(mostValues)}]`;
  assert.equal(fault(bytes(pack), 110), 'a SenML name has more than 256 characters');
});
