/**
 * RFC 8428 (SenML) and RFC 8798 (units): the examples, then each rule by its section.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeCbor } from '../../src/core/cbor/encode.ts';
import { CborTag, type CborValue } from '../../src/core/cbor/value.ts';
import { decodeBase64Url, encodeBase64Url } from '../../src/core/foundation/base64url.ts';
import { fromHex, toHex } from '../../src/core/foundation/bytes.ts';
import { ApiMisuseError } from '../../src/core/foundation/errors.ts';
import {
  decodeSenmlCbor,
  decodeSenmlJson,
  encodeSenmlCbor,
  encodeSenmlJson,
  inPrimaryUnit,
  isDecodeFault,
  type ResolvedRecord,
  type ResolveOptions,
  resolveSenml,
  type SenmlRecord,
  senmlUnit,
} from '../../src/senml.ts';

type Pack = Record<string, unknown>[];
const vectors = JSON.parse(
  readFileSync(new URL('../vectors/coap/rfc8428-senml.json', import.meta.url), 'utf8'),
) as { examples: { section: string; title: string; pack: Pack }[]; cbor_example_section_6: string };

function decoded(pack: unknown): SenmlRecord[] {
  const records = decodeSenmlJson(JSON.stringify(pack));
  assert.ok(!isDecodeFault(records), isDecodeFault(records) ? records.reason : '');
  return records;
}

function resolved(pack: unknown, options?: ResolveOptions): ResolvedRecord[] {
  const records = resolveSenml(decoded(pack), options);
  assert.ok(!isDecodeFault(records), isDecodeFault(records) ? records.reason : '');
  return records;
}

/** The reason for which a Pack is refused, when it is read or when it is resolved. */
function refused(pack: unknown, record = 0, options?: ResolveOptions): string {
  const records = decodeSenmlJson(JSON.stringify(pack));
  const result = isDecodeFault(records) ? records : resolveSenml(records, options);
  assert.ok(isDecodeFault(result), `${JSON.stringify(pack)} was taken`);
  assert.equal(result.layer, 'senml');
  assert.equal(result.offset, record);
  return result.reason;
}

function refusedCbor(value: CborValue): string {
  const result = decodeSenmlCbor(encodeCbor(value));
  assert.ok(isDecodeFault(result));
  return result.reason;
}

describe('the examples of §5.1', () => {
  for (const [index, { section, title, pack }] of vectors.examples.entries()) {
    test(`${section}, ${title} (${index}): reads, resolves, and comes out in both formats as it was`, () => {
      const records = decoded(pack);
      assert.ok(resolved(pack).length > 0);
      assert.deepEqual(JSON.parse(encodeSenmlJson(records)), pack);
      assert.deepEqual(decodeSenmlCbor(encodeSenmlCbor(records)), records);
    });
  }

  test('§5.1.3 resolves to §5.1.4, and §5.1.4 to itself', () => {
    const [source, expected] = ['5.1.3', '5.1.4'].map(
      (section) => vectors.examples.find((example) => example.section === section)?.pack,
    );
    assert.deepEqual(JSON.parse(encodeSenmlJson(resolved(source))), expected);
    assert.deepEqual(resolved(expected), resolved(source));
  });

  test('§5.1.5: the data value is Base64 with the URL-safe alphabet and without padding', () => {
    const records = resolved(vectors.examples.find(({ section }) => section === '5.1.5')?.pack);
    assert.deepEqual(
      records.map(({ value }) => value),
      [23.1, 'Machine Room', false, new TextEncoder().encode('hi \n')],
    );
  });

  test('§5.1.7: a Record that only sets base fields measures nothing', () => {
    const [pack] = vectors.examples.filter(({ section }) => section === '5.1.7');
    assert.deepEqual(
      resolved(pack?.pack).map(({ name, value }) => [name, value]),
      [
        ['urn:dev:ow:10e2073a01080063:temp', 23.1],
        ['urn:dev:ow:10e2073a01080063:heat', 1],
        ['urn:dev:ow:10e2073a01080063:fan', 0],
      ],
    );
  });

  test('§6: the CBOR example is the pack of §5.1.2, with each number as it was', () => {
    const bytes = fromHex(vectors.cbor_example_section_6) as Uint8Array;
    const records = decodeSenmlCbor(bytes);
    assert.ok(!isDecodeFault(records));
    const json = decoded(vectors.examples.filter(({ section }) => section === '5.1.2')[1]?.pack);
    const last = json.length - 1;
    assert.deepEqual(
      records,
      json.map((record, index) => (index === last ? { ...record, time: 0 } : record)),
    );
    assert.equal(records[0]?.baseTime, 1276020076.001);
    // The same items in deterministic order of keys (RFC 8949 §4.2.1), and none longer.
    assert.equal(encodeSenmlCbor(records).length, bytes.length);
    assert.deepEqual(decodeSenmlCbor(encodeSenmlCbor(records)), records);
  });
});

describe('§4.1 and §4.2: fields', () => {
  test('base fields apply to their Record and those after it, until they are set again', () => {
    const pack = [
      { bn: 'a:', bu: 'A', bv: 10, bs: 100, bt: 1000, n: '1', v: 1, s: 1, t: 1 },
      { n: '2', v: 2 },
      { bn: 'b:', bu: 'V', bv: 0, bs: 0, n: '3', v: 3, u: 'W' },
    ];
    assert.deepEqual(resolved(pack), [
      { name: 'a:2', unit: 'A', value: 12, sum: 100, time: 1000 },
      { name: 'b:3', unit: 'W', value: 3, sum: 0, time: 1000 },
      { name: 'a:1', unit: 'A', value: 11, sum: 101, time: 1001 },
    ]);
  });

  test('a base value is added to numbers alone', () => {
    const pack = [{ bn: 'a', bv: 5, vs: 'x' }, { vb: true }, { v: 1 }];
    assert.deepEqual(
      resolved(pack).map(({ value }) => value),
      ['x', true, 6],
    );
  });

  test('exactly one value appears, unless there is a sum', () => {
    assert.match(refused([{ n: 'a' }]), /neither a value nor a sum/);
    assert.match(refused([{ n: 'a', v: 1, vs: 'x' }]), /second value/);
    assert.deepEqual(resolved([{ n: 'a', s: 3 }]), [{ name: 'a', sum: 3, time: 0 }]);
    assert.deepEqual(resolved([{ n: 'a', v: 1, s: 3 }]), [{ name: 'a', value: 1, sum: 3, time: 0 }]);
  });

  test('a field of the wrong type is refused', () => {
    for (const field of [
      { n: 1 },
      { u: true },
      { v: '1' },
      { vs: 1 },
      { vb: 0 },
      { vd: 1 },
      { vd: 'a=' },
      { t: '0' },
      { bn: null },
      { bver: '10' },
      { s: [] },
    ]) {
      assert.match(refused([{ n: 'a', v: 1 }, field], 1), /wrong type/, JSON.stringify(field));
    }
    assert.ok(isDecodeFault(decodeSenmlJson('[{"n":"a","v":1e999}]')), 'no double holds it');
  });
});

describe('§4.4: extensions and versions', () => {
  test('fields that are not known are kept and may be ignored', () => {
    const [record] = resolved([{ n: 'a', v: 1, x: 'y', z: 2, q: true, deep: { a: 1 } }]);
    assert.deepEqual(
      record?.extensions,
      new Map<string, unknown>([
        ['x', 'y'],
        ['z', 2],
        ['q', true],
      ]),
    );
    const again = decodeSenmlCbor(encodeSenmlCbor([record as ResolvedRecord]));
    assert.deepEqual(again, [record]);
  });

  test('one whose label ends with "_" is an error, in both formats', () => {
    assert.match(
      refused(
        [
          { n: 'a', v: 1 },
          { n: 'a', v: 1, x_: 1 },
        ],
        1,
      ),
      /x_ must be understood/,
    );
    assert.match(
      refusedCbor([
        new Map<number | string, CborValue>([
          [0, 'a'],
          [2, 1],
          ['x_', [1]],
        ]),
      ]),
      /x_ must be understood/,
    );
    assert.throws(
      () => encodeSenmlJson([{ name: 'a', value: 1, extensions: new Map([['x_', 1]]) }]),
      ApiMisuseError,
    );
  });

  test('a version above 10 is not used, one below stays, and all Records have the same', () => {
    assert.match(refused([{ bver: 11, n: 'a', v: 1 }]), /version 11/);
    assert.match(refused([{ bver: 0, n: 'a', v: 1 }]), /positive integer/);
    assert.match(refused([{ bver: 5.5, n: 'a', v: 1 }]), /positive integer/);
    assert.match(
      refused(
        [
          { n: 'a', v: 1 },
          { bver: 5, v: 1, n: 'a' },
        ],
        1,
      ),
      /different versions/,
    );
    assert.match(
      refused(
        [
          { bver: 5, n: 'a', v: 1 },
          { bver: 10, v: 1, n: 'a' },
        ],
        1,
      ),
      /different versions/,
    );
    // §4.6: it MUST NOT be there when it is 10, and MUST be in every Record otherwise.
    assert.deepEqual(
      resolved([
        { bver: 10, n: 'a', v: 1 },
        { n: 'b', v: 1 },
      ]).map(({ baseVersion }) => baseVersion),
      [undefined, undefined],
    );
    assert.deepEqual(
      resolved([
        { bver: 5, n: 'a', v: 1 },
        { n: 'b', v: 1 },
      ]).map(({ baseVersion }) => baseVersion),
      [5, 5],
    );
  });
});

test('§4.5.1: a name has the characters it may, once it is put together, and is not empty', () => {
  for (const [bn, n] of [
    ['urn:dev:', 'a.b/c-d_e9'],
    ['', 'A'],
    ['9', undefined],
    ['2001:db8::2/', 'x'],
  ]) {
    assert.equal(resolved([{ bn, ...(n === undefined ? {} : { n }), v: 1 }])[0]?.name, `${bn}${n ?? ''}`);
  }
  for (const name of ['', ':a', '-a', '_a', '/a', '.a', 'a b', 'a%20', 'ä', 'a?b', 'a\n']) {
    assert.match(refused([{ n: name, v: 1 }]), /name/, name);
  }
  assert.match(refused([{ v: 1 }]), /name ""/);
});

describe('§4.5.2 and RFC 8798: units', () => {
  test('a Record without a unit has the base unit, or none', () => {
    assert.deepEqual(
      resolved([
        { n: 'a', v: 1 },
        { bu: 'V', n: 'b', v: 1 },
      ]).map(({ unit }) => unit),
      [undefined, 'V'],
    );
  });

  test('who wants registered units alone gets no others, and no secondary ones', () => {
    const units = 'registered';
    assert.equal(resolved([{ n: 'a', u: 'Cel', v: 1 }], { units }).length, 1);
    assert.match(refused([{ n: 'a', u: 'furlong', v: 1 }], 0, { units }), /not registered/);
    assert.match(refused([{ n: 'a', u: 'cel', v: 1 }], 0, { units }), /not registered/, 'case matters');
    assert.match(refused([{ n: 'a', u: 'mV', v: 1 }], 0, { units }), /secondary one; give V/);
    assert.equal(resolved([{ n: 'a', u: 'furlong', v: 1 }]).length, 1);
  });

  test('the registry tells which units are not to be produced', () => {
    assert.deepEqual(senmlUnit('kg'), { symbol: 'kg', description: 'kilogram', recommended: true });
    assert.equal(senmlUnit('g')?.recommended, false);
    assert.equal(senmlUnit('deg')?.recommended, false);
    assert.equal(senmlUnit('VA')?.recommended, true);
    assert.equal(senmlUnit('bar'), undefined);
  });

  test('RFC 8798 §3: 100 ms are 0.1 s and 10 dBm are -20 dBW', () => {
    assert.deepEqual(inPrimaryUnit(100, 'ms'), { value: 0.1, unit: 's' });
    assert.deepEqual(inPrimaryUnit(10, 'dBm'), { value: -20, unit: 'dBW' });
    assert.deepEqual(inPrimaryUnit(7, 'Cel'), { value: 7, unit: 'Cel' });
    const { value, unit } = inPrimaryUnit(36, 'km/h');
    assert.ok(unit === 'm/s' && Math.abs(value - 10) < 1e-12);
  });

  test('each secondary unit leads to a primary one', () => {
    let secondary = 0;
    for (const symbol of [
      'ms',
      'min',
      'h',
      'MHz',
      'kW',
      'kVA',
      'kvar',
      'Ah',
      'Wh',
      'kWh',
      'varh',
      'kvarh',
      'kVAh',
      'Wh/km',
      'KiB',
      'GB',
      'Mbit/s',
      'B/s',
      'MB/s',
      'mV',
      'mA',
      'dBm',
      'ug/m3',
      'mm/h',
      'm/h',
      'ppm',
      '/100',
      '/1000',
      'hPa',
      'mm',
      'cm',
      'km',
      'km/h',
    ]) {
      const primary = senmlUnit(symbol)?.primary;
      assert.ok(primary !== undefined && senmlUnit(primary.unit)?.primary === undefined, symbol);
      assert.notEqual(senmlUnit(primary.unit), undefined, symbol);
      secondary++;
    }
    assert.equal(secondary, 33);
  });
});

test('§4.5.3: times below 2^28 are relative to now, those from there on are since 1970', () => {
  const pack = [
    { bn: 'a', t: -5, v: 1 },
    { t: 2 ** 28 - 1, v: 2 },
    { t: 2 ** 28, v: 3 },
  ];
  const now = 1_700_000_000;
  assert.deepEqual(
    resolved(pack, { now }).map(({ time, value }) => [value, time]),
    [
      [3, 2 ** 28],
      [1, now - 5],
      [2, now + 2 ** 28 - 1],
    ],
  );
  assert.deepEqual(
    resolved(pack).map(({ time }) => time),
    [-5, 2 ** 28 - 1, 2 ** 28],
  );
});

test('§4.5.3, §4.5.4: sums that no double holds are refused', () => {
  for (const [base, field] of [
    ['bt', 't'],
    ['bv', 'v'],
    ['bs', 's'],
  ] as const) {
    assert.match(refused([{ n: 'a', v: 1, [base]: 1.7e308, [field]: 1.7e308 }]), /no number/);
  }
});

test('§4.6: resolved Records are in order of time, those of one time as they were', () => {
  const pack = [
    { bn: 'a', t: 2, v: 1 },
    { t: 1, v: 2 },
    { t: 2, v: 3 },
    { t: 1, v: 4 },
  ];
  assert.deepEqual(
    resolved(pack).map(({ value }) => value),
    [2, 4, 1, 3],
  );
});

describe('§5: JSON', () => {
  test('what is no array of objects in UTF-8 is refused', () => {
    for (const text of ['', '{', '{}', '[1]', '[[]]', '[null]', '"a"']) {
      assert.ok(isDecodeFault(decodeSenmlJson(text)), text);
    }
    assert.ok(isDecodeFault(decodeSenmlJson(Uint8Array.of(0x5b, 0xff, 0x5d))));
    assert.deepEqual(decodeSenmlJson('[]'), []);
  });

  test('an exponent is written with a lower-case e', () => {
    assert.equal(encodeSenmlJson([{ name: 'a', value: 1e30 }]), '[{"n":"a","v":1e+30}]');
  });

  test('a member named __proto__ is a field like any other', () => {
    const records = decodeSenmlJson('[{"n":"a","v":1,"__proto__":"x"}]');
    assert.ok(isDecodeFault(records), 'its label ends with "_"');
  });
});

describe('§6: CBOR', () => {
  const map = (...entries: [number | string, CborValue][]): CborValue => new Map(entries);

  test('a number may be an integer, a float or a decimal fraction, of any size', () => {
    for (const [number, expected] of [
      [2n ** 60n, 2 ** 60],
      [new CborTag(4, [-2, 27_315]), 273.15],
      [new CborTag(4, [-3, -1]), -0.001],
      [new CborTag(4, [0, new CborTag(2, Uint8Array.of(1, 0))]), 256],
      [new CborTag(4, [0, new CborTag(3, Uint8Array.of(0))]), -1],
    ] as const) {
      assert.deepEqual(decodeSenmlCbor(encodeCbor([map([0, 'a'], [2, number])])), [
        { name: 'a', value: expected },
      ]);
    }
    for (const number of [
      new CborTag(4, [1]),
      new CborTag(4, [1, 2, 3]),
      new CborTag(4, [0.5, 1]),
      new CborTag(1, 5),
      new CborTag(4, [400, 1]),
    ]) {
      assert.match(refusedCbor([map([0, 'a'], [2, number])]), /wrong type/);
    }
  });

  test('the version is an unsigned integer', () => {
    assert.match(refusedCbor([map([-1, new CborTag(4, [1, 1])], [0, 'a'], [2, 1])]), /bver/);
    assert.match(refusedCbor([map([-1, 10n ** 18n], [0, 'a'], [2, 1])]), /bver/);
  });

  test('labels are integers: a text label of a known field is refused, an integer of none is ignored', () => {
    assert.match(refusedCbor([map(['v', 1], [0, 'a'])]), /written as text/);
    assert.deepEqual(decodeSenmlCbor(encodeCbor([map([0, 'a'], [2, 1], [99, 'x'])])), [
      { name: 'a', value: 1 },
    ]);
  });

  test('a stream of indefinite length is read, a Pack is written with a definite one', () => {
    assert.deepEqual(decodeSenmlCbor(fromHex('9fa200616102 01ff'.replace(' ', '')) as Uint8Array), [
      { name: 'a', value: 1 },
    ]);
    assert.equal(toHex(encodeSenmlCbor([{ name: 'a', value: 1 }])), '81a20061610201');
  });

  test('what is no array of maps is refused', () => {
    assert.match(refusedCbor(map()), /not an array/);
    assert.match(refusedCbor([1]), /not a map/);
    assert.ok(isDecodeFault(decodeSenmlCbor(Uint8Array.of(0x81))));
  });
});

test('a Pack that breaks a rule is not written', () => {
  for (const record of [
    { name: 'a b', value: 1 },
    { name: 'a' },
    { name: 'a', value: Number.NaN },
    { name: 'a', value: {} as unknown as number },
    { name: 'a', value: 1, baseVersion: 11 },
    { name: 'a', value: 1, time: Infinity },
    { name: 'a', value: 1, extensions: new Map([['v', 2]]) },
  ] satisfies SenmlRecord[]) {
    assert.throws(() => encodeSenmlJson([record]), ApiMisuseError, JSON.stringify(record));
    assert.throws(() => encodeSenmlCbor([record]), ApiMisuseError);
  }
});

const finite = fc.double({ noNaN: true, min: -1e300, max: 1e300 }).map((value) => value + 0);
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });
const records = fc.array(
  fc
    .record({
      name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9\-:./_]{0,8}$/),
      unit: optional(fc.constantFrom('V', 'Cel', 'furlong')),
      value: fc.oneof(finite, fc.string(), fc.boolean(), fc.uint8Array({ maxLength: 12 })),
      sum: optional(finite),
      time: optional(finite),
      updateTime: optional(finite),
      baseTime: optional(finite),
      baseUnit: optional(fc.constant('A')),
    })
    .map(
      (record) =>
        Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as SenmlRecord,
    ),
  { maxLength: 6 },
);

test('what is encoded reads as it was, in both formats', () => {
  fc.assert(
    fc.property(records, (pack) => {
      assert.deepEqual(decodeSenmlCbor(encodeSenmlCbor(pack)), pack);
      assert.deepEqual(decodeSenmlJson(encodeSenmlJson(pack)), pack);
    }),
    { seed: 8428 },
  );
});

test('resolving twice changes nothing, and resolved Records can be written', () => {
  fc.assert(
    fc.property(records, (pack) => {
      const once = resolveSenml(pack, { now: 1e9 });
      assert.ok(!isDecodeFault(once));
      assert.deepEqual(
        resolveSenml(once, { now: 1e9 }),
        once
          .map((record) => (record.time < 2 ** 28 ? { ...record, time: record.time + 1e9 } : record))
          .sort((a, b) => a.time - b.time),
      );
      encodeSenmlCbor(once);
    }),
    { seed: 8798 },
  );
});

test('Base64url: what is written reads back, and nothing else reads', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = encodeBase64Url(bytes);
      assert.equal(text, Buffer.from(bytes).toString('base64url'));
      assert.deepEqual(decodeBase64Url(text), bytes);
    }),
    { seed: 4648 },
  );
  for (const text of ['A', 'AA==', 'A+', 'A/', 'AB', 'AAB', 'A A'])
    assert.equal(decodeBase64Url(text), undefined, text);
});

test('a base name in front of thousands of names is refused as a whole: a Pack becomes not much longer than it is', () => {
  const pack = (records: number, length: number): SenmlRecord[] => [
    { baseName: 'x'.repeat(length), name: 'a', value: 1 },
    ...Array.from({ length: records - 1 }, (): SenmlRecord => ({ name: 'b', value: 1 })),
  ];
  const fault = resolveSenml(pack(5000, 5000));
  assert.ok(isDecodeFault(fault));
  assert.match(fault.reason, /base names and base units make more than 902144 characters/);
  for (const usual of [pack(5000, 100), pack(100, 2000)]) {
    const records = resolveSenml(usual);
    assert.ok(!isDecodeFault(records));
    assert.equal(records.length, usual.length);
  }
  // Of a name that is wrong itself no more than a part is told.
  const wrong = resolveSenml([{ baseName: ' '.repeat(50_000), name: 'a', value: 1 }]);
  assert.ok(isDecodeFault(wrong) && wrong.reason.length < 300);
});
