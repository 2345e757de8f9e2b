import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encodeCbor } from 'coapsule/cbor';
import { encodeUint } from 'coapsule/message';
import { SeededRandom } from 'coapsule/testing';
import { mutate } from '../../../coapsule/test/fuzz/mutate.ts';
import type { CollectionRequest } from '../../src/collection/collection.ts';
import { collectionReport, junitXml, resultLines } from '../../src/collection/collection-report.ts';
import { collectionJsonSchema } from '../../src/collection/collection-schema.ts';
import { captured, evaluated, type ReceivedResponse } from '../../src/collection/evaluate-response.ts';
import { isSameJson, pointedAt } from '../../src/collection/json-pointer.ts';
import { parseCollection } from '../../src/collection/parse-collection.ts';
import { type PlanOptions, planCollection } from '../../src/collection/plan-collection.ts';
import { resolvedRequest } from '../../src/collection/resolved-request.ts';
import { type CollectionSender, runCollection } from '../../src/collection/run-collection.ts';
import { withoutSecrets } from '../../src/collection/without-secrets.ts';

const packageFolder = fileURLToPath(new URL('../..', import.meta.url));

test('the published JSON Schema is the one that reads collections', () => {
  const path = join(packageFolder, 'collection.schema.json');
  const wanted = `${JSON.stringify(collectionJsonSchema(), undefined, 2)}\n`;
  if (process.env['COAPSULE_WRITE_REFERENCE'] === '1') writeFileSync(path, wanted);
  assert.equal(
    readFileSync(path, 'utf8'),
    wanted,
    `write it anew: COAPSULE_WRITE_REFERENCE=1 npm test -- ${path}`,
  );
});

test('nothing that reads, plans and judges collections is of Node', () => {
  const source = join(packageFolder, 'src');
  const waiting = readdirSync(join(source, 'collection')).map((name) => join(source, 'collection', name));
  const seen = new Set<string>();
  const outside = new Set<string>();
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const [, from = ''] of readFileSync(file, 'utf8').matchAll(/(?:from|import\() ?'([^']+)'/g)) {
      if (from.startsWith('.')) waiting.push(resolve(dirname(file), from));
      else outside.add(from);
    }
  }
  assert.deepEqual(
    [...outside].sort(),
    ['coapsule/cbor', 'coapsule/message', 'yaml', 'zod'],
    'the library by these entries, which are of its core alone',
  );
  assert.ok(seen.size > 15);
});

const request = (more: string, name = 'a'): string =>
  `requests:\n  - name: ${name}\n    uri: coap://h/\n${more}`;

function faultsOf(text: string): readonly string[] {
  const read = parseCollection(text);
  return 'faults' in read ? read.faults.map(({ line, key, problem }) => `${line}: ${key} ${problem}`) : [];
}

describe('what is wrong with a file is told with line, key and what may stand there', () => {
  for (const [text, fault] of [
    ['', /^1: {2}?requests is missing: expected a list of requests|^1: requests is missing/],
    [
      request('    methud: GET\n'),
      /^4: requests\[0\]\.methud is no key here: did you mean method\? \(keys: name, method, uri, /,
    ],
    [
      request('    method: LIST\n'),
      /^4: requests\[0\]\.method is "LIST"; expected GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH/,
    ],
    [
      request('    expect: { code: 9.99 }\n'),
      /^4: requests\[0\]\.expect\.code .*expected a response code such as 2\.05 or 2\.xx/,
    ],
    [
      request('    payload: { text: a, hex: "00" }\n'),
      /^4: requests\[0\]\.payload expected exactly one of text, json/,
    ],
    [request('    payload: { hex: "0" }\n'), /payload\.hex expected pairs of hexadecimal digits/],
    [
      request('    payload: { cborDiag: "[1" }\n'),
      /payload\.cborDiag is not CBOR in diagnostic notation, character 3: , or \] is missing/,
    ],
    [request('    options: { Etag2: a }\n'), /options\.Etag2 is no option: did you mean ETag\?/],
    [
      request('    contentFormat: jsonn\n'),
      /contentFormat .*expected a content format: number or name, such as json/,
    ],
    [request('    expect: { body: { matches: "(" } }\n'), /matches is no regular expression: /],
    [request('    expect: { body: { json: { a: 1 } } }\n'), /json\.?a? .*JSON pointer/],
    [request('    capture: { a-b: { } }\n'), /capture\.a-b expected json: \/pointer or option: NAME/],
    [
      request('    observe: { notifications: 0, within: 1 }\n'),
      /notifications is 0; expected a whole number, 1 to 1000/,
    ],
    [
      request('    observe: { notifications: 1, within: 1 }\n    method: PUT\n'),
      /method expected GET or FETCH/,
    ],
    [request('    timeout: 0\n'), /timeout is 0; expected seconds, more than 0/],
    [
      request('    payload: "${nme}"\nvariables: { name: a }\n'),
      /^4: requests\[0\]\.payload \$\{nme\} is no variable: did you mean name\?/,
    ],
    [
      `${request('')}  - name: a\n    uri: coap://h/\n`,
      /^4: requests\[1\]\.name is the name of another request too/,
    ],
    [
      `${request('')}environments: { x: { credentials: { identity: i, key: TopSecret } } }\n`,
      /^4: environments\.x\.credentials\.key a key does not stand in a collection/,
    ],
    [
      `${request('')}environments: { x: { secrets: { k: { env: A, file: b } } } }\n`,
      /secrets\.k expected env: NAME or file: PATH/,
    ],
    [
      request('    expect: { body: { equal: x } }\n'),
      /^4: requests\[0\]\.expect\.body\.equal is no key here: did you mean equals\? \(keys: equals, contains, /,
    ],
    [request('    payload: { fil: x }\n'), /payload\.fil is no key here: did you mean file\?/],
    [request('    capture: { a: { jso: /x } }\n'), /capture\.a\.jso is no key here: did you mean json\?/],
    ['requests: [\n', /^2: /],
  ] as const) {
    test(text.split('\n').at(-2)?.trim() || 'an empty file', () => {
      const faults = faultsOf(text);
      assert.ok(
        faults.some((one) => fault.test(one)),
        JSON.stringify(faults),
      );
      assert.ok(!faults.join().includes('TopSecret'));
    });
  }
});

function planOf(text: string, options: Omit<PlanOptions, 'lineOf'> = {}) {
  const read = parseCollection(text);
  assert.ok('collection' in read, JSON.stringify(read));
  return planCollection(read.collection, { lineOf: read.lineOf, ...options });
}

describe('a plan', () => {
  const text = `variables: { port: 1, target: "coap://h:\${port}" }
environments:
  one: { variables: { port: 2 }, secrets: { k: { env: K } } }
  two: { variables: { other: x } }
defaults: { timeout: 3, non: true }
setup: [{ name: s, uri: "\${target}/s", capture: { id: body } }]
requests:
  - { name: a, uri: "\${target}/\${id}", timeout: 4 }
  - { name: b, uri: "\${target}/b", capture: { made: locationPath } }
  - { name: c, uri: "\${target}\${made}", payload: "\${k}" }
`;

  test('has setup, requests and teardown in order, with the defaults, and values of the environment', () => {
    const planned = planOf(text, { environment: 'one', secrets: new Map([['k', 'TopSecret']]) });
    assert.ok('plan' in planned, JSON.stringify(planned));
    const { requests, values } = planned.plan;
    assert.deepEqual(
      requests.map(({ section, request: { name, timeout, non }, line }) => [
        section,
        name,
        timeout,
        non,
        line,
      ]),
      [
        ['setup', 's', 3, true, 6],
        ['requests', 'a', 4, true, 8],
        ['requests', 'b', 3, true, 9],
        ['requests', 'c', 3, true, 10],
      ],
    );
    assert.equal(values.get('target'), 'coap://h:2');
  });

  for (const [options, fault] of [
    [{}, '3: there are 2 environments: choose one of one, two'],
    [{ environment: 'tow' }, '3: there is no environment tow: there are: one, two'],
    [
      { environment: 'two' },
      '10: c: ${k} has no value in the environment two, and no request before it captures it',
    ],
    [
      { environment: 'one', only: ['d'], secrets: new Map([['k', 'x']]) },
      '8: there is no request "d": did you mean a?',
    ],
    [
      { environment: 'one', only: ['c'], secrets: new Map([['k', 'x']]) },
      '10: c: ${made} has no value in the environment one, and no request before it captures it',
    ],
  ] as const) {
    test(fault, () => {
      const planned = planOf(text, options);
      assert.ok('faults' in planned);
      assert.ok(
        planned.faults.map(({ line, problem }) => `${line}: ${problem}`).includes(fault),
        JSON.stringify(planned.faults),
      );
    });
  }

  test('--only takes setup with it', () => {
    const planned = planOf(text, { environment: 'one', only: ['a'], secrets: new Map([['k', 'x']]) });
    assert.ok('plan' in planned);
    assert.deepEqual(
      planned.plan.requests.map(({ request: { name } }) => name),
      ['s', 'a'],
    );
  });
});

describe('a request with its values', () => {
  const values = new Map([
    ['x', 'a"b'],
    ['n', '7'],
  ]);
  const resolvedOf = (more: Partial<CollectionRequest>) =>
    resolvedRequest({ name: 'a', uri: 'coap://h/${n}', ...more }, values);

  test('texts, options and payloads are filled', () => {
    const sent = resolvedOf({
      method: 'PUT',
      options: { ETag: '0x0${n}', 'Uri-Query': ['q=${n}', 'r'], 65000: 258 },
    });
    assert.ok(!('problem' in sent));
    assert.equal(sent.uri, 'coap://h/7');
    assert.deepEqual(
      sent.options.map(({ number, value }) => [number, Buffer.from(value).toString('hex')]),
      [
        [65000, '0102'],
        [4, '07'],
        [15, Buffer.from('q=7').toString('hex')],
        [15, '72'],
      ],
    );
  });

  for (const [payload, hex, format] of [
    ['${x}', Buffer.from('a"b').toString('hex'), undefined],
    [{ json: { a: '${x}', b: [1] } }, Buffer.from('{"a":"a\\"b","b":[1]}').toString('hex'), 50],
    [{ jsonAsCbor: { a: '${x}' } }, 'a1616163612262', 60],
    [{ hex: '0${n} ff' }, '07ff', undefined],
    [{ cborDiag: '[${n}]' }, '8107', 60],
    ['$${n}', Buffer.from('${n}').toString('hex'), undefined],
  ] as const) {
    test(JSON.stringify(payload), () => {
      const sent = resolvedOf({ payload });
      assert.ok(!('problem' in sent) && sent.payload instanceof Uint8Array);
      assert.deepEqual([Buffer.from(sent.payload).toString('hex'), sent.contentFormat], [hex, format]);
    });
  }

  test('what cannot be filled says why', () => {
    assert.deepEqual(resolvedOf({ payload: '${gone}' }), { problem: 'the variable gone has no value' });
    assert.deepEqual(resolvedOf({ payload: { hex: '${x}' } }), {
      problem: 'the payload is not pairs of hexadecimal digits',
    });
    assert.deepEqual(resolvedOf({ options: { ETag: '0x${x}' } }), {
      problem: 'option ETag: after 0x come pairs of hexadecimal digits',
    });
    assert.deepEqual(resolvedOf({ accept: '${x}' }), { problem: '"a"b" is no content format' });
  });
});

function received(
  payload: string | Uint8Array,
  more: Partial<ReceivedResponse> = {},
  format?: number,
): ReceivedResponse {
  const options = [
    ...(format === undefined ? [] : [{ number: 12, value: encodeUint(format) }]),
    ...(more.options ?? []),
  ];
  const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
  return { code: '2.05', durationMs: 5, ...more, options, payload: bytes };
}

describe('expectations', () => {
  const tagged = received(
    '{"on":true,"level":40,"list":[{"v":1.5}],"a/b":null}',
    {
      options: [
        { number: 4, value: Uint8Array.of(0xab) },
        { number: 14, value: encodeUint(60) },
      ],
    },
    50,
  );
  const values = new Map([['level', '40']]);
  for (const [expect, failing] of [
    [undefined, []],
    [{ code: '2.05' }, []],
    [{ code: ['4.04', '2.xx'] }, []],
    [{ code: '2.03' }, ['code 2.03 found 2.05']],
    [{ contentFormat: 'json' }, []],
    [{ contentFormat: 60 }, ['content format application/cbor (60) found application/json (50)']],
    [{ options: { ETag: '0xab', 'Max-Age': 60 } }, []],
    [{ options: { ETag: '0xac', 'Max-Age': '0x003c' } }, ['ETag 0xac found 0xab']],
    [{ options: { 'Location-Path': 'a' } }, ['Location-Path a found it is not there']],
    [{ withoutOptions: ['Location-Path'] }, []],
    [{ withoutOptions: ['ETag'] }, ['no ETag found 0xab']],
    [{ body: { contains: ['"level":${level}', 'on'] } }, []],
    [{ body: { contains: 'off' } }, [/^body contains "off" found "\{\\"on\\"/]],
    [{ body: { matches: '"level":\\d+,' } }, []],
    [{ body: { matches: '^x' } }, [/^body matches \/\^x\/ found /]],
    [{ body: { json: { '/on': true, '/list/0/v': 1.5, '/a~1b': null, '/list': [{ v: 1.5 }] } } }, []],
    [
      { body: { json: { '/level': '40', '/nothing': 1 } } },
      [
        '/level is "40" found 40'.replace('"40"', '"\\"40\\""').replace('found 40', 'found "40"'),
        '/nothing is "1" found there is nothing',
      ],
    ],
    [{ body: { between: { '/level': [0, 39.5] as const } } }, ['/level is 0 to 39.5 found "40"']],
    [{ body: { between: { '/level': [40, 40] as const }, has: ['/list/0', ''] } }, []],
    [{ body: { has: ['/list/1'] } }, ['/list/1 is there found there is nothing']],
    [{ withinMs: 5 }, []],
    [{ withinMs: 4 }, ['within 4 ms found 5 ms']],
    [{ body: '${gone}' }, ['what is expected found the variable gone has no value']],
  ] as const) {
    test(JSON.stringify(expect) ?? 'none', () => {
      const found = evaluated({ expect }, tagged, values)
        .filter(({ holds }) => !holds)
        .map(({ what, found: there }) => `${what} found ${there}`);
      assert.equal(found.length, failing.length, found.join('; '));
      for (const [index, one] of failing.entries()) {
        if (typeof one === 'string') assert.equal(found[index], one);
        else assert.match(found[index]!, one);
      }
    });
  }

  test('a body of a hundred thousand levels is judged as one that cannot be read', () => {
    for (const levels of [65, 100_000]) {
      const deep = received(`${'['.repeat(levels)}"[["${']'.repeat(levels)}`);
      const [, check] = evaluated({ expect: { body: { json: { '/0': 1 } } } }, deep, new Map());
      assert.equal(check?.found, 'it has more than 64 levels');
      assert.match(
        captured({ capture: { x: { json: '/0' } } }, deep).checks[0]?.found ?? '',
        /no JSON pointer/,
      );
    }
    const whole = received(`${'['.repeat(64)}"[[\\"["${']'.repeat(64)}`);
    assert.ok(evaluated({ expect: { body: { has: ['/0'] } } }, whole, new Map()).every(({ holds }) => holds));
  });

  test('an error response is told with its text', () => {
    const [check] = evaluated({}, received('no such note', { code: '4.04' }), new Map());
    assert.deepEqual(check, { what: 'code 2.xx', holds: false, found: '4.04, "no such note"' });
  });

  test('pointers look into CBOR too, with bytes as digits and keys as texts', () => {
    const cbor = encodeCbor(
      new Map<number | string, string | Uint8Array | bigint>([
        [1, Uint8Array.of(0xca, 0xfe)],
        ['big', 2n ** 63n],
      ]),
    );
    const expect = { body: { json: { '/1': 'cafe', '/big': '9223372036854775808' } } };
    assert.ok(evaluated({ expect }, received(cbor, {}, 60), new Map()).every(({ holds }) => holds));
    const [, bad] = evaluated({ expect: { body: { has: ['/a'] } } }, received('{', {}, 50), new Map());
    assert.deepEqual(bad, { what: 'body is JSON or CBOR', holds: false, found: 'it is not JSON' });
  });

  test('RFC 6901 section 5', () => {
    const document = {
      foo: ['bar', 'baz'],
      '': 0,
      'a/b': 1,
      'c%d': 2,
      'e^f': 3,
      'g|h': 4,
      'i\\j': 5,
      'k"l': 6,
      ' ': 7,
      'm~n': 8,
    };
    const at = (pointer: string): unknown => pointedAt(document, pointer)?.value;
    assert.equal(at(''), document);
    const pointers = ['/foo/0', '/', '/a~1b', '/c%d', '/e^f', '/g|h', '/i\\j', '/k"l', '/ ', '/m~0n'];
    assert.deepEqual(pointers.map(at), ['bar', 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    for (const nothing of ['/foo/2', '/foo/01', '/foo/-', '/constructor', '/foo/length', '/x/y'])
      assert.equal(pointedAt(document, nothing), undefined, nothing);
    assert.ok(isSameJson({ a: [1, { b: null }], c: 2 }, { c: 2, a: [1, { b: null }] }));
    assert.ok(!isSameJson({ a: undefined }, {}) && !isSameJson([1], { 0: 1 }) && !isSameJson([1, 2], [1]));
  });

  test('captures are of paths, options, JSON and bodies, and what is not there is told', () => {
    const option = (number: number, text: string) => ({ number, value: new TextEncoder().encode(text) });
    const response = received(
      '{"id":7,"name":"x"}',
      { options: [option(8, 'notes'), option(8, 'a b'), option(20, 'v=1')] },
      50,
    );
    const taken = captured(
      {
        capture: {
          place: 'locationPath',
          all: 'body',
          id: { json: '/id' },
          name: { json: '/name' },
          format: { option: 'Content-Format' },
          tag: { option: 'ETag' },
          gone: { json: '/gone' },
        },
      },
      response,
    );
    assert.deepEqual(
      [...taken.values],
      [
        ['place', '/notes/a%20b?v%3D1'],
        ['all', '{"id":7,"name":"x"}'],
        ['id', '7'],
        ['name', 'x'],
        ['format', '50'],
      ],
    );
    assert.deepEqual(
      taken.checks.map(({ what, found }) => `${what}: ${found}`),
      [
        'capture of tag: the response has no ETag',
        'capture of gone: the response has no JSON pointer "/gone"',
      ],
    );
  });
});

describe('a run', () => {
  const text = `setup: [{ name: s, uri: "coap://h/s" }]
requests:
  - { name: a, uri: "coap://h/a", capture: { id: body } }
  - { name: b, uri: "coap://h/\${id}", expect: { body: "x" } }
  - { name: o, uri: "coap://h/o", observe: { notifications: 3, within: 2 } }
teardown: [{ name: t, uri: "coap://h/t" }]
`;
  const sender = (
    answers: Readonly<Record<string, ReceivedResponse | Error>>,
    ended = false,
  ): CollectionSender & { readonly sent: string[] } => {
    const sent: string[] = [];
    const answer = ({ uri }: { readonly uri: string }): ReceivedResponse => {
      sent.push(uri);
      const found = answers[uri];
      if (found instanceof Error) throw found;
      return found ?? received('7');
    };
    return {
      sent,
      request: async (request) => answer(request),
      observe: async (request, { notifications }) =>
        Array.from({ length: notifications - 1 }, () => answer(request)),
      explain: (error) => (error as Error).message,
      isEnded: () => ended,
    };
  };
  const plan = (only?: readonly string[]) => {
    const planned = planOf(text, { only });
    assert.ok('plan' in planned);
    return planned.plan;
  };

  test('uses what was captured, and holds only when all of it does', async () => {
    const one = sender({ 'coap://h/7': received('x') });
    const result = await runCollection(plan(), one);
    assert.deepEqual(one.sent, [
      'coap://h/s',
      'coap://h/a',
      'coap://h/7',
      'coap://h/o',
      'coap://h/o',
      'coap://h/t',
    ]);
    assert.deepEqual(
      result.results.map(({ outcome }) => outcome),
      ['passed', 'passed', 'passed', 'failed', 'passed'],
    );
    assert.equal(result.holds, false);
    const observed = result.results[3]!;
    assert.deepEqual(observed.checks[0], { what: '3 notifications within 2 s', holds: false, found: '2' });
    assert.equal(
      (await runCollection(plan(['a', 'b']), sender({ 'coap://h/7': received('x') }))).holds,
      true,
    );
  });

  test('a setup that fails skips the requests, and teardown runs', async () => {
    const one = sender({ 'coap://h/s': new Error('no answer in 93 s') });
    const { results } = await runCollection(plan(), one);
    assert.deepEqual(one.sent, ['coap://h/s', 'coap://h/t']);
    assert.deepEqual(
      results.map(({ outcome, problem }) => [outcome, problem]),
      [
        ['failed', 'no answer in 93 s'],
        ['skipped', '"s" of the setup failed'],
        ['skipped', '"s" of the setup failed'],
        ['skipped', '"s" of the setup failed'],
        ['passed', null],
      ],
    );
  });

  test('a run that was ended skips what is left', async () => {
    const { results, holds } = await runCollection(plan(), sender({}, true));
    assert.ok(results.every(({ outcome }) => outcome === 'skipped') && !holds);
  });

  test('reports are text and JUnit, in which nothing forges a line or a tag', async () => {
    const result = await runCollection(plan(), sender({ 'coap://h/7': received('</failure>\u001b[2J"&') }));
    const report = collectionReport([{ file: 'a<b>.coap.yml', ...result }]);
    const lines = report.files[0]!.results.flatMap(resultLines);
    assert.ok(lines.includes('FAILED  b (2.05, 5.0 ms)'), lines.join('\n'));
    assert.ok(lines.includes('          line 4: GET coap://h/7'));
    assert.doesNotMatch(lines.join('\n'), /\p{Cc}(?<!\n)/u);
    const xml = junitXml(report);
    assert.match(xml, /<testsuites tests="5" failures="2" skipped="0" time="0\.0\d+">/);
    assert.match(
      xml,
      /<testcase classname="a&lt;b&gt;\.coap\.yml" name="b" file="a&lt;b&gt;\.coap\.yml" line="4" time="0\.005">/,
    );
    assert.equal(xml.match(/<\/failure>/g)?.length, 2);
    assert.doesNotMatch(xml, /\p{Cc}(?<!\n)/u);
  });
});

test('a text that is cut within a secret does not show its beginning', () => {
  const clean = withoutSecrets(['TopSecretToken']);
  assert.equal(clean('"you said TopSecr…"'), '"you said ***…"');
  assert.equal(clean('To… TopSecretToken… a…'), 'To… ***… a…');
});

test('a secret stands in no form in what is printed', () => {
  const secret = 'Top"Secret /+ü16';
  const clean = withoutSecrets([secret, '0x00112233445566778899aabbccddeeff']);
  const bytes = Buffer.from(secret);
  const forms = [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret),
    bytes.toString('hex'),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    '00112233445566778899aabbccddeeff',
  ];
  for (const form of forms) {
    const shown = clean(`a ${form} b`);
    assert.match(shown, /^a "?\*\*\*=*"? b$/, form);
  }
});

// COAPSULE_FUZZ_COUNT inputs; otherwise 300, or 20,000 with COAPSULE_LONG=1.
const { COAPSULE_FUZZ_COUNT, COAPSULE_LONG, COAPSULE_FUZZ_SEED } = process.env;
const count = Number(COAPSULE_FUZZ_COUNT ?? (COAPSULE_LONG === '1' ? 20_000 : 300));

test(`${count} mutated files are collections or faults with a line; nothing throws, and what is a collection can be planned`, () => {
  const docs = readFileSync(join(packageFolder, '../../docs/collections.md'), 'utf8');
  const corpus = [/```yaml\n([\s\S]*?)```/.exec(docs)![1]!, request('    payload: { hex: "00" }\n')].map(
    (text) => new TextEncoder().encode(text),
  );
  const random = new SeededRandom(Number(COAPSULE_FUZZ_SEED ?? 1));
  for (let index = 0; index < count; index++) {
    const text = new TextDecoder().decode(mutate(corpus, random));
    const read = parseCollection(text);
    if ('faults' in read)
      assert.ok(read.faults.length > 0 && read.faults.every(({ line }) => line > 0), text);
    else {
      const planned = planCollection(read.collection, { lineOf: read.lineOf, environment: 'local' });
      if ('plan' in planned)
        for (const { request: one } of planned.plan.requests) resolvedRequest(one, planned.plan.values);
    }
  }
});

test('a text that was made to keep its reader busy is refused soon, however it is made', () => {
  for (const [text, wanted] of [
    // One of them is not above what names it: without a bound each is looked for among all.
    [`$schema: &a x\nname: [${many(15_000, () => '*a')}]`, /more than 1000 aliases/],
    [`{${many(4000, (index) => `k${index}: 1`)}}`, /is no key here/],
    [
      `variables: {${many(2000, (index) => `abcdefghij${index}: 1`)}}\nrequests: [${many(1000, (index) => `{name: a${index}, uri: "\${abcdefghi}"}`)}]`,
      /is no variable: did you mean abcdefghij0/,
    ],
    [`${request('')}    capture: {${many(101, (index) => `v${index}: body`)}}`, /at most 100 variables/],
  ] as const) {
    const faults = faultsOf(text);
    assert.ok(faults.length > 0 && faults.length <= 201, String(faults.length));
    assert.match(faults.join('\n'), wanted);
  }
});

test('variables that stand for variables do not grow without end, at the start and in a request', () => {
  const doubled = many(40, (index) => `v${index + 1}: "\${v${index}}\${v${index}}"`);
  const read = parseCollection(`variables: {v0: x, ${doubled}}\n${request('')}`);
  assert.ok('collection' in read);
  const planned = planCollection(read.collection, { lineOf: read.lineOf });
  assert.ok('faults' in planned);
  assert.match(planned.faults[0]?.problem ?? '', /^variable v20: with the value of v19 .* 1 MiB/);

  const values = new Map([['a', 'x'.repeat(100_000)]]);
  const sent = resolvedRequest({ name: 'a', uri: 'coap://h/', payload: '${a}'.repeat(11) }, values);
  assert.ok('problem' in sent);
  const json = resolvedRequest(
    { name: 'a', uri: 'coap://h/', payload: { json: Array(11).fill('${a}') } },
    values,
  );
  assert.ok('problem' in json);
  const [check] = evaluated(
    { expect: { body: { equals: '${a}'.repeat(11) } } },
    { code: '2.05', options: [], payload: new Uint8Array(), durationMs: 1 },
    values,
  );
  assert.match(check?.found ?? '', /MiB/);
});

test('what is captured has room for sixteen mebibytes, then the request that captures more fails', async () => {
  const read = parseCollection(
    `requests: [${many(20, (index) => `{name: a${index}, uri: 'coap://h/', capture: {v${index}: body}}`)}]`,
  );
  assert.ok('collection' in read);
  const planned = planCollection(read.collection, { lineOf: read.lineOf });
  assert.ok('plan' in planned);
  const payload = new TextEncoder().encode('x'.repeat(1024 * 1024));
  const { results } = await runCollection(planned.plan, {
    request: async () => ({ code: '2.05', options: [], payload, durationMs: 1 }),
    observe: async () => [],
    explain: String,
    isEnded: () => false,
  });
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    [...Array(16).fill('passed'), ...Array(4).fill('failed')],
  );
  assert.match(results[16]?.checks.at(-1)?.found ?? '', /16 MiB/);
});

function many(count: number, one: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => one(index)).join(', ');
}
