/** The filter language: what it means, that a filter is its text, and that nothing makes it throw or wait. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, OptionNumber, OptionSet } from 'coapsule/message';
import { SeededRandom } from 'coapsule/testing';
import fc from 'fast-check';
import { mutate } from '../../../coapsule/test/fuzz/mutate.ts';
import type { Filter, FilterSubject } from '../../src/filter/filter.ts';
import { formatFilter } from '../../src/filter/format-filter.ts';
import { CountingFilter, matchesFilter } from '../../src/filter/match-filter.ts';
import { parseFilter } from '../../src/filter/parse-filter.ts';
import { parseEdits } from '../../src/tap/edit.ts';
import { parseRule } from '../../src/tap/rule.ts';

const { COAPSULE_FUZZ_COUNT, COAPSULE_LONG } = process.env;
const count = Number(COAPSULE_FUZZ_COUNT ?? (COAPSULE_LONG === '1' ? 1_000_000 : 20_000));

const request: FilterSubject = {
  ...{ direction: 'to-server', protocol: 'coap', peer: '[2001:db8::7]:5683', type: 'CON', code: Code.Put },
  ...{ messageId: 0x12ab, token: Uint8Array.of(1, 2), path: '/sensors/7/temp', query: 'u=C', length: 40 },
  options: new OptionSet()
    .add(OptionNumber.UriPath, 'sensors')
    .add(OptionNumber.UriPath, '7')
    .add(OptionNumber.UriPath, 'temp')
    .add(OptionNumber.ContentFormat, 50)
    .add(OptionNumber.ETag, Uint8Array.of(0xca, 0xfe)),
  payload: new TextEncoder().encode('{"v":21.5}'),
};
const record: FilterSubject = {
  direction: 'to-device',
  protocol: 'dtls',
  peer: '192.0.2.1:40001',
  length: 90,
};

function parsed(text: string): Filter {
  const filter = parseFilter(text);
  assert.ok(filter.kind !== 'fault', `${text}: ${JSON.stringify(filter)}`);
  return filter;
}

/** Whether the two let it through: the request, the record. */
const table: readonly (readonly [text: string, request: boolean, record: boolean])[] = [
  ['', true, true],
  ['any', true, true],
  ['direction=to-server', true, false],
  ['dir=down', false, true],
  ['direction!=to-server', false, true],
  ['protocol=dtls', false, true],
  ['type=con', true, false],
  ['type!=NON', true, false],
  ['code=PUT', true, false],
  ['code=0.03', true, false],
  ['code=0.xx', true, false],
  ['code=request', true, false],
  ['code=response', false, false],
  ['code=2.xx', false, false],
  ['code!=GET', true, false],
  ['path=/sensors/7/temp', true, false],
  ['path=/sensors/*', true, false],
  ['path=*/temp', true, false],
  ['path=/s*rs/*p', true, false],
  ['path=/sensors', false, false],
  ['path~sensors', true, false],
  ['path!~light', true, false],
  ['path!=/sensors/*', false, false],
  ['query="u=C"', true, false],
  ['peer=192.0.2.1:*', false, true],
  ['peer="[2001:db8::7]:*"', true, false],
  ['token=0102', true, false],
  ['token=0x0103', false, false],
  ['mid=0x12ab', true, false],
  ['mid<5', false, false],
  ['size>=10 size<=10', true, false],
  ['length>50', false, true],
  ['payload~21.5', true, false],
  ['payload="{\\"v\\":21.5}"', true, false],
  ['option', true, false],
  ['option.Content-Format', true, false],
  ['option.content-format=application/json', true, false],
  ['option.12=50', true, false],
  ['option.Content-Format>=50', true, false],
  ['option.Content-Format!=60', true, false],
  ['option.ETag=0xcafe', true, false],
  ['option.ETag~0xfe', true, false],
  ['option.Uri-Path=7', true, false],
  ['option.Uri-Path!=7', false, false],
  ['option=Observe', false, false],
  ['option!=Observe', true, true],
  ['not option.Observe', true, true],
  ['code=PUT and path~temp', true, false],
  ['code=PUT && path~light', false, false],
  ['code=GET or protocol=dtls', false, true],
  ['code=GET or code=PUT path~light', false, false],
  ['(code=GET or code=PUT) path~temp', true, false],
  ['! (code=PUT)', false, true],
  ['not not code=PUT', true, false],
];

describe('a filter', () => {
  test(`lets through what it says: ${table.length} filters`, () => {
    for (const [text, ofRequest, ofRecord] of table) {
      const filter = parsed(text);
      assert.equal(matchesFilter(filter, request), ofRequest, `${text} of the request`);
      assert.equal(matchesFilter(filter, record), ofRecord, `${text} of the record`);
    }
  });

  test('count numbers what the rest lets through, and every takes each nth', () => {
    const numbers = (text: string, subjects: readonly FilterSubject[]): readonly number[] => {
      const filter = new CountingFilter(parsed(text));
      return subjects.flatMap((subject, index) => (filter.test(subject) ? [index + 1] : []));
    };
    const mixed = [record, request, record, request, request, request];
    assert.deepEqual(numbers('code=PUT count=2', mixed), [4]);
    assert.deepEqual(numbers('code=PUT count<=2', mixed), [2, 4]);
    assert.deepEqual(numbers('every=2 code=PUT', mixed), [4, 6]);
    assert.deepEqual(numbers('count=1 or count=3', mixed), [1, 3]);
    assert.deepEqual(numbers('code=PUT not count=1', mixed), [4, 5, 6]);
    assert.equal(matchesFilter(parsed('count=7'), request), true);
  });

  test('what is none is refused at its place, with what would be right', () => {
    const refused = (text: string): readonly [number, string] => {
      const filter = parseFilter(text);
      assert.ok(filter.kind === 'fault', text);
      return [filter.offset, filter.reason];
    };
    assert.deepEqual(refused('paht=/x'), [
      0,
      '"paht" is no field: direction, protocol, type, code, path, query, peer, token, mid, payload, size, length, count, every, option or option.NAME',
    ]);
    assert.equal(refused('code=PUT and')[0], 12);
    assert.match(refused('code=2.99')[1], /a code is a method/);
    assert.match(refused('(code=PUT')[1], /"\)" is missing/);
    assert.match(refused('path="x')[1], /quote is not closed/);
    assert.match(refused('query=a&b')[1], /stands alone/);
    assert.match(refused('path<5')[1], /is a text/);
    assert.match(refused('option.Foo=1')[1], /"Foo" is no option/);
    assert.match(refused('option.Max-Age=soon')[1], /no value/);
    assert.match(refused('every=0')[1], /from 1 on/);
    assert.match(refused(`${'('.repeat(60)}code=PUT${')'.repeat(60)}`)[1], /nested deeper/);
    assert.match(refused('x'.repeat(5000))[1], /longer than/);
  });

  test('is its text: parsed again, the text of a filter is the same filter', () => {
    fc.assert(
      fc.property(anyFilter, (filter) => {
        assert.deepEqual(parseFilter(formatFilter(filter)), structuredClone(filter));
      }),
    );
  });

  test('of a pattern with stars takes no time that grows out of hand', () => {
    const filter = parsed(`path=${'*a'.repeat(1000)}b`);
    assert.equal(matchesFilter(filter, { ...request, path: 'a'.repeat(60_000) }), false);
  });

  test(`${count} mutated texts are filters, rules and edits, or faults with a place in them`, () => {
    const random = new SeededRandom(Number(process.env['COAPSULE_FUZZ_SEED'] ?? 1));
    const corpus = [
      ...table.map(([text]) => text),
      'path=/temp => delay 2s probability 30% seed 7',
      'code=GET count<=2 => edit payload="x y" option.Max-Age=60 -option.ETag path=/a/b',
      '=> duplicate 3 times',
      'type=ACK => replay after 500ms',
    ].map((text) => new TextEncoder().encode(text));
    let right = 0;
    for (let index = 0; index < count; index++) {
      const text = new TextDecoder().decode(mutate(corpus, random));
      for (const result of [parseFilter(text), parseRule(text), parseEdits(text)]) {
        if ('kind' in result && result.kind === 'fault') {
          assert.ok(result.offset >= 0 && result.offset <= text.length && result.reason !== '', text);
        } else right += 1;
      }
      const filter = parseFilter(text);
      if (filter.kind !== 'fault') {
        matchesFilter(filter, request);
        assert.deepEqual(parseFilter(formatFilter(filter)), filter, text);
      }
    }
    assert.ok(right > count / 20, `${right} were right`);
  });
});

const bytes = fc.uint8Array({ maxLength: 8 });
const texts = fc.string({ maxLength: 20 });
const negated = fc.boolean();
const textOperator = fc.constantFrom('=', '!=', '~', '!~');
const numberOperator = fc.constantFrom('=', '!=', '<', '<=', '>', '>=');
const constant = <Value extends string>(value: Value) => fc.constant(value);

const anyFilter: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(
      fc.record({ kind: constant('any') }),
      fc.record({ kind: constant('direction'), value: fc.constantFrom('to-server', 'to-device'), negated }),
      fc.record({ kind: constant('protocol'), value: fc.constantFrom('coap', 'dtls', 'other'), negated }),
      fc.record({ kind: constant('type'), value: fc.constantFrom('CON', 'NON', 'ACK', 'RST'), negated }),
      fc
        .oneof(
          fc.integer({ min: 0, max: 255 }).map((code) => ({ first: code, last: code })),
          fc.integer({ min: 0, max: 7 }).map((group) => ({ first: 32 * group, last: 32 * group + 31 })),
          fc.constantFrom({ first: 1, last: 31 }, { first: 64, last: 191 }),
        )
        .chain((codes) =>
          fc.record({
            kind: constant('code'),
            first: fc.constant(codes.first),
            last: fc.constant(codes.last),
            negated,
          }),
        ),
      fc.record({ kind: constant('token'), value: bytes, negated }),
      fc.record({
        kind: constant('text'),
        field: fc.constantFrom('path', 'query', 'peer', 'payload'),
        ...{ operator: textOperator, value: texts },
      }),
      fc.record({
        kind: constant('number'),
        field: fc.constantFrom('mid', 'size', 'length'),
        ...{ operator: numberOperator, value: fc.nat() },
      }),
      fc.record({ kind: constant('count'), operator: numberOperator, value: fc.nat() }),
      fc.record({ kind: constant('every'), value: fc.integer({ min: 1, max: 99_999 }) }),
      fc.record({ kind: constant('option') }),
      fc.record({ kind: constant('option'), number: fc.nat(65_535) }),
      fc.record({
        kind: constant('option'),
        number: fc.constantFrom<number>(OptionNumber.MaxAge, OptionNumber.Size1),
        ...{ operator: numberOperator, value: fc.nat().map(String) },
      }),
      fc.record({
        kind: constant('option'),
        number: fc.constantFrom<number>(OptionNumber.UriPath, OptionNumber.LocationPath),
        ...{ operator: textOperator, value: texts.filter((text) => !/^0x/i.test(text)) },
      }),
    ) as fc.Arbitrary<Filter>,
    fc.record({
      kind: fc.constantFrom('and', 'or'),
      parts: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }),
    }) as fc.Arbitrary<Filter>,
    fc.record({ kind: constant('not'), part: tie('filter') }) as fc.Arbitrary<Filter>,
  ),
})).filter;
