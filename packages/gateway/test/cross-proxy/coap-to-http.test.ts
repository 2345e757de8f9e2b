/** From CoAP to HTTP and back, as pure functions (RFC 7252 §10.1; the tables of RFC 8075 read backwards). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeText, type Method, OptionNumber } from 'coapsule';
import { OptionSet } from 'coapsule/message';
import fc from 'fast-check';
import {
  coapReply,
  httpPath,
  httpQuestion,
  httpTarget,
  isForHttp,
  maxAgeOf,
} from '../../src/cross-proxy/coap-to-http.ts';
import { EntityTags } from '../../src/cross-proxy/entity-tags.ts';
import { parseHttpTarget } from '../../src/cross-proxy/http-target-rule.ts';

const now = Date.UTC(2026, 0, 1, 12);
const date = new Date(now).toUTCString();

function optionsOf(entries: readonly (readonly [number, string | number | Uint8Array])[]): OptionSet {
  const set = new OptionSet();
  for (const [number, value] of entries) set.add(number, value);
  return set;
}

interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly hasBody?: boolean;
}

function replied(
  method: Method,
  { status, headers = {}, hasBody = true }: Reply,
  options = optionsOf([]),
  tags = new EntityTags(),
) {
  const url = new URL('http://server.example/api/things');
  return coapReply(
    { status, headers: (name) => headers[name], hasBody },
    { method, options, url, nowMs: now },
    tags,
  );
}

function codeOf(method: Method, status: number): string {
  return codeText(replied(method, { status }).response.code);
}

test('§10.1.1 to §10.1.4: success is 2.05, 2.04, 2.01 or 2.02 by method and status', () => {
  assert.equal(codeOf('GET', 200), '2.05');
  assert.equal(codeOf('GET', 203), '2.05');
  assert.equal(codeOf('PUT', 201), '2.01');
  for (const status of [200, 202, 204, 205]) {
    assert.equal(codeOf('PUT', status), '2.04');
    assert.equal(codeOf('POST', status), '2.04');
    assert.equal(codeOf('DELETE', status), '2.02');
  }
  assert.equal(codeOf('POST', 201), '2.01');
  assert.equal(codeOf('PATCH', 200), '2.04');
});

test('§10.1.3: deleting what is not there is 2.02, too', () => {
  assert.deepEqual(
    [codeOf('DELETE', 404), codeOf('DELETE', 410), codeOf('GET', 404)],
    ['2.02', '2.02', '4.04'],
  );
});

const failures: readonly (readonly [number, string])[] = [
  [400, '4.00'],
  [401, '4.01'],
  [403, '4.03'],
  [404, '4.04'],
  [405, '4.05'],
  [406, '4.06'],
  [407, '5.02'],
  [409, '4.09'],
  [410, '4.04'],
  [412, '4.12'],
  [413, '4.13'],
  [415, '4.15'],
  [418, '4.00'],
  [422, '4.22'],
  [429, '4.29'],
  [500, '5.00'],
  [501, '5.01'],
  [502, '5.02'],
  [503, '5.03'],
  [504, '5.04'],
  [508, '5.08'],
  [599, '5.00'],
];
test('each status of failure has its code, by Table 2 of RFC 8075 §7 from right to left', () => {
  for (const [status, code] of failures) assert.equal(codeOf('GET', status), code, String(status));
});

test('a redirect is not followed, and what was not asked for is 5.02', () => {
  for (const status of [300, 301, 302, 303, 307, 308, 206, 100]) assert.equal(codeOf('GET', status), '5.02');
  assert.equal(codeOf('PUT', 304), '5.02');
});

test('any status makes a response code', () => {
  const methods: Method[] = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'IPATCH'];
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999 }), fc.constantFrom(...methods), (status, method) => {
      assert.match(codeText(replied(method, { status }).response.code), /^[245]\.\d\d$/);
    }),
  );
});

test('methods cross, FETCH does not, and iPATCH is PATCH', () => {
  const method = (name: Method): unknown => {
    const question = httpQuestion({ method: name, options: optionsOf([]) }, new EntityTags());
    return 'code' in question ? codeText(question.code) : question.method;
  };
  assert.deepEqual((['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'IPATCH', 'FETCH'] as const).map(method), [
    'GET',
    'POST',
    'PUT',
    'DELETE',
    'PATCH',
    'PATCH',
    '5.01',
  ]);
});

function headersOf(
  entries: Parameters<typeof optionsOf>[0],
  tags = new EntityTags(),
  method: Method = 'GET',
) {
  const question = httpQuestion({ method, options: optionsOf(entries) }, tags);
  return 'code' in question ? codeText(question.code) : question.headers;
}

test('Accept and Content-Format are media types with their parameters; what has no name goes by its number', () => {
  assert.deepEqual(headersOf([[OptionNumber.Accept, 50]]), { accept: 'application/json' });
  assert.deepEqual(headersOf([[OptionNumber.ContentFormat, 0]]), {
    'content-type': 'text/plain; charset=utf-8',
  });
  assert.deepEqual(headersOf([[OptionNumber.ContentFormat, 18]]), {
    'content-type': 'application/cose; cose-type="cose-sign1"',
  });
  assert.deepEqual(headersOf([[OptionNumber.ContentFormat, 65000]]), {
    'content-type': 'application/coap-payload;cf=65000',
  });
  assert.deepEqual(headersOf([[OptionNumber.ContentFormat, 11050]]), {
    'content-type': 'application/json',
    'content-encoding': 'deflate',
  });
});

test('conditions cross: If-Match with its tags or for anything, If-None-Match', () => {
  const tags = new EntityTags();
  const etag = tags.ofCoap('"33a64df551425fcc55e4d42a148795d9f25f89d4"') as Uint8Array;
  assert.deepEqual(headersOf([[OptionNumber.IfMatch, etag]], tags, 'PUT'), {
    'if-match': '"33a64df551425fcc55e4d42a148795d9f25f89d4"',
  });
  assert.deepEqual(headersOf([[OptionNumber.IfMatch, new Uint8Array()]], tags, 'PUT'), { 'if-match': '*' });
  assert.deepEqual(headersOf([[OptionNumber.IfNoneMatch, new Uint8Array()]], tags, 'PUT'), {
    'if-none-match': '*',
  });
  // Nobody knows whether it holds.
  assert.equal(headersOf([[OptionNumber.IfMatch, new Uint8Array(8)]], tags, 'PUT'), '4.12');
});

test('§5.4.1: a critical option that HTTP has nothing for is 4.02, an elective one is left out', () => {
  assert.equal(headersOf([[OptionNumber.Oscore, new Uint8Array(3)]]), '4.02');
  assert.equal(headersOf([[65001, new Uint8Array(1)]]), '4.02');
  assert.deepEqual(headersOf([[65000, new Uint8Array(1)]]), {});
});

test('entity tags: short ones cross as they are, longer ones come back as they were, weak ones do not cross', () => {
  const tags = new EntityTags();
  const back = (tag: string): string | undefined => {
    const etag = tags.ofCoap(tag);
    return etag && tags.ofHttp(etag);
  };
  assert.deepEqual(tags.ofCoap('"v1"'), new Uint8Array(Buffer.from('v1')));
  for (const tag of [
    '"v1"',
    '"1234567"',
    '"12345678"',
    '"a much longer one"'.replaceAll(' ', '-'),
    '""',
    '"é"',
  ])
    assert.equal(back(tag), tag);
  assert.equal(tags.ofCoap('W/"v1"'), undefined);
  assert.equal(tags.ofCoap('v1'), undefined);
  assert.equal(tags.ofHttp(Uint8Array.of(0x22)), undefined);
  fc.assert(
    fc.property(fc.stringMatching(/^[\x21\x23-\x7e]*$/), (opaque) => {
      const etag = tags.ofCoap(`"${opaque}"`) as Uint8Array;
      assert.ok(etag.length >= 1 && etag.length <= 8);
      assert.equal(tags.ofHttp(etag), `"${opaque}"`);
    }),
  );
});

test('of tags a bounded number is remembered', () => {
  const tags = new EntityTags();
  const first = tags.ofCoap('"the first of them all"'.replaceAll(' ', '-')) as Uint8Array;
  for (let n = 0; n < 10_000; n++) tags.ofCoap(`"one of many, ${n}"`.replaceAll(' ', '-'));
  assert.equal(tags.ofHttp(first), undefined);
});

test('a tag that is longer than any is does not cross: what is remembered has a bound in bytes too', () => {
  const tags = new EntityTags();
  assert.ok(tags.ofCoap(`"${'x'.repeat(1024)}"`) !== undefined);
  assert.equal(tags.ofCoap(`"${'x'.repeat(1025)}"`), undefined);
});

test('a 304 is 2.03 with the ETag that is still good; one of several that it does not name is 5.02', () => {
  const tags = new EntityTags();
  const [one, other] = ['"one"', '"other"'].map((tag) => tags.ofCoap(tag) as Uint8Array) as [
    Uint8Array,
    Uint8Array,
  ];
  const both = optionsOf([
    [OptionNumber.ETag, one],
    [OptionNumber.ETag, other],
  ]);
  const named = replied('GET', { status: 304, headers: { etag: '"other"' } }, both, tags).response;
  assert.deepEqual([codeText(named.code), named.etag, named.maxAgeSeconds], ['2.03', other, 0]);
  assert.equal(codeText(replied('GET', { status: 304 }, both, tags).response.code), '5.02');
  const single = optionsOf([[OptionNumber.ETag, one]]);
  assert.deepEqual(replied('GET', { status: 304 }, single, tags).response.etag, one);
});

const freshness: readonly (readonly [Readonly<Record<string, string>>, number])[] = [
  [{}, 0],
  [{ 'cache-control': 'max-age=120' }, 120],
  [{ 'cache-control': 'public, max-age=120', age: '20' }, 100],
  [{ 'cache-control': 'max-age=120', age: '200' }, 0],
  [{ 'cache-control': 'max-age=120', age: 'x' }, 0],
  [{ 'cache-control': 'max-age=120, s-maxage=10' }, 10],
  [{ 'cache-control': 'max-age=120, no-cache' }, 0],
  [{ 'cache-control': 'no-store' }, 0],
  [{ 'cache-control': 'private, max-age=120' }, 0],
  [{ 'cache-control': 'max-age=99999999999' }, 0xffff_ffff],
  [{ 'cache-control': 'max-age=-1' }, 0],
  [{ 'cache-control': 'max-age=120', date: new Date(now - 50_000).toUTCString() }, 70],
  [{ expires: new Date(now + 90_000).toUTCString(), date }, 90],
  [{ expires: new Date(now - 90_000).toUTCString(), date }, 0],
  [{ expires: '0', date }, 0],
];
test('§10.1.1: Max-Age is no more than what is left of the freshness, and 0 where nothing says so', () => {
  for (const [headers, seconds] of freshness)
    assert.equal(
      maxAgeOf((name) => headers[name], now),
      seconds,
      JSON.stringify(headers),
    );
});

test('Retry-After is the Max-Age of 5.03 and 4.29, in seconds or as a date', () => {
  const of = (status: number, value: string): number | undefined =>
    replied('GET', { status, headers: { 'retry-after': value } }).response.maxAgeSeconds;
  assert.deepEqual(
    [of(503, '30'), of(429, new Date(now + 5000).toUTCString()), of(500, '30'), of(503, 'soon')],
    [30, 5, undefined, undefined],
  );
});

const formats: readonly (readonly [Readonly<Record<string, string>>, number | undefined])[] = [
  [{ 'content-type': 'application/json' }, 50],
  [{ 'content-type': 'text/plain; charset=UTF-8' }, 0],
  [{ 'content-type': 'text/plain; charset=iso-8859-1' }, 42],
  [{ 'content-type': 'application/senml+json' }, 110],
  [{ 'content-type': 'application/problem+json' }, 50],
  [{ 'content-type': 'application/coap-payload;cf=65000' }, 65000],
  [{ 'content-type': 'application/coap-payload; cf=99999' }, 42],
  [{ 'content-type': 'application/cose; cose-type="cose-sign1"' }, 18],
  [{ 'content-type': 'application/json', 'content-encoding': 'deflate' }, 11050],
  [{ 'content-type': 'video/mp4' }, 42],
  [{}, undefined],
];
test('a media type is a content format, exactly, generalised, or as bytes', () => {
  for (const [headers, format] of formats)
    assert.equal(
      replied('GET', { status: 200, headers }).response.contentFormat,
      format,
      JSON.stringify(headers),
    );
});

test('§5.10.4: what is in another format than Accept names is 4.06', () => {
  const accept = optionsOf([[OptionNumber.Accept, 60]]);
  const headers = { 'content-type': 'application/json' };
  assert.equal(codeText(replied('GET', { status: 200, headers }, accept).response.code), '4.06');
});

test('a Location at the same server is Location-Path and Location-Query, another is none', () => {
  const location = (value: string): unknown =>
    replied('POST', { status: 201, headers: { location: value } }).response.options;
  assert.deepEqual(location('/api/things/7?v=1'), [
    { number: OptionNumber.LocationPath, value: 'api' },
    { number: OptionNumber.LocationPath, value: 'things' },
    { number: OptionNumber.LocationPath, value: '7' },
    { number: OptionNumber.LocationQuery, value: 'v=1' },
  ]);
  assert.deepEqual(location('http://other.example/x'), []);
  assert.deepEqual(location('/%ff'), []);
});

test('a page for people is no diagnostic: text and JSON are passed on, of others the status alone', () => {
  const page = replied('GET', { status: 404, headers: { 'content-type': 'text/html' } });
  assert.deepEqual([page.takesBody, page.response.payload], [false, 'HTTP 404']);
  assert.equal(replied('GET', { status: 404, headers: { 'content-type': 'text/plain' } }).takesBody, true);
  assert.equal(
    replied('GET', { status: 404, headers: { 'content-type': 'application/problem+json' } }).takesBody,
    true,
  );
});

test('the target is Proxy-Uri, or Proxy-Scheme with the parts of a URI', () => {
  const target = (entries: Parameters<typeof optionsOf>[0]): unknown => {
    const found = httpTarget(optionsOf(entries));
    return found instanceof URL ? found.href : found;
  };
  assert.equal(
    target([[OptionNumber.ProxyUri, 'HTTP://Server.example/a?b=c']]),
    'http://server.example/a?b=c',
  );
  assert.equal(
    target([
      [OptionNumber.UriHost, 'server.example'],
      [OptionNumber.UriPort, 8080],
      [OptionNumber.UriPath, 'a b'],
      [OptionNumber.UriPath, 'c/d'],
      [OptionNumber.UriQuery, 'x=1&2'],
      [OptionNumber.ProxyScheme, 'https'],
    ]),
    'https://server.example:8080/a%20b/c%2Fd?x=1%262',
  );
  assert.deepEqual(target([[OptionNumber.ProxyUri, 'http://me:secret@server.example/']]), {
    problem: 'the URI has user information',
  });
  assert.equal(target([[OptionNumber.ProxyUri, 'coap://server.example/']]), undefined);
  assert.equal(target([[OptionNumber.ProxyScheme, 'http']]), undefined);
  assert.deepEqual(
    [
      isForHttp(optionsOf([[OptionNumber.ProxyUri, 'https://x/']])),
      isForHttp(optionsOf([[OptionNumber.ProxyScheme, 'coap']])),
      isForHttp(optionsOf([])),
    ],
    [true, false, false],
  );
});

test('whatever a path has in it, it stays its segments', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1, unit: 'grapheme' }), { maxLength: 4 }), (segments) => {
      fc.pre(!segments.some((segment) => segment === '.' || segment === '..'));
      const { pathname } = new URL(httpPath(segments, []), 'http://server.example');
      assert.deepEqual(
        pathname.slice(1).split('/').map(decodeURIComponent),
        segments.length === 0 ? [''] : segments,
      );
    }),
  );
});

const rules: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  [
    'http://a.example',
    ['http://a.example/', 'http://A.example./x?y'],
    ['https://a.example/', 'http://a.example:81/'],
  ],
  [
    'https://*.example',
    ['https://a.b.example/'],
    ['https://example/', 'https://a.example.org/', 'https://1.2.3.4/'],
  ],
  ['http://a.example:*', ['http://a.example:8080/'], ['http://b.example/']],
  [
    'http://a.example/v1/*',
    ['http://a.example/v1/x'],
    ['http://a.example/v1/', 'http://a.example/v1/../v2/x'],
  ],
  ['http://a.example/v1', ['http://a.example/v1'], ['http://a.example/v1/x']],
  ['http://127.0.0.1:*', ['http://127.0.0.1:81/', 'http://2130706433:81/'], ['http://127.0.0.2:81/']],
];
test('a rule is about the servers, ports and paths that it names', () => {
  for (const [rule, yes, no] of rules) {
    const pattern = parseHttpTarget(rule);
    assert.ok(typeof pattern !== 'string', rule);
    for (const uri of yes) assert.ok(pattern.matches(new URL(uri)), `${rule} ${uri}`);
    for (const uri of no) assert.ok(!pattern.matches(new URL(uri)), `${rule} ${uri}`);
  }
  for (const wrong of [
    'http://',
    'ftp://a',
    'http://a*',
    'http://1.2.3.*',
    'http://a:0',
    'http://a/*/b',
    'http://u@a',
  ])
    assert.equal(typeof parseHttpTarget(wrong), 'string', wrong);
});
