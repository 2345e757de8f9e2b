/**
 * RFC 7252 §5.6 and §5.9, with RFC 7641 §3.3, RFC 7959 §2.10 and RFC 8132 §2.3.2: caching, on virtual time.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from '../../src/core/coap/code.ts';
import { OptionNumber } from '../../src/core/coap/option-registry.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { ApiMisuseError } from '../../src/core/foundation/errors.ts';
import { type Instant, instant } from '../../src/core/foundation/instant.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import type { Content } from '../../src/core/request-response/exchange.ts';
import {
  type CacheRequest,
  ResponseCache,
  type ResponseCacheLimits,
} from '../../src/core/request-response/response-cache.ts';
import type { OptionList } from '../unit/request-response/harness.ts';

const etagA = Uint8Array.of(0xa);
const etagB = Uint8Array.of(0xb);

function optionsOf(list: OptionList): OptionSet {
  return OptionSet.from(list.map(([number, value]) => ({ number, value })));
}

function request(path: string, fields: Partial<CacheRequest> & { list?: OptionList } = {}): CacheRequest {
  const { list = [], ...rest } = fields;
  return {
    origin: 'coap://server:5683',
    identity: '',
    code: Code.Get,
    payload: encodeUtf8(''),
    options: optionsOf([[OptionNumber.UriPath, path], ...list]),
    ...rest,
  };
}

function response(code: Code, payload = '', list: OptionList = []): Content {
  return { code, options: optionsOf(list), payload: encodeUtf8(payload) };
}

/** Seconds on the virtual clock. */
const at = (seconds: number): Instant => instant(seconds * 1000);

/** A cache that has been told `stored` for `asked` at 0 s. */
function primed(
  asked: CacheRequest,
  stored: Content,
  limits: Partial<ResponseCacheLimits> = {},
): ResponseCache {
  const cache = new ResponseCache(limits);
  cache.take(asked, stored, undefined, at(0), cache.find(asked, at(0)));
  return cache;
}

/** `code payload (Max-Age)` of what answers the request without asking, or `ask`. */
function answered(cache: ResponseCache, asked: CacheRequest, now: Instant): string {
  const answer = cache.find(asked, now);
  if (answer.kind === 'ask') return 'ask';
  const { code, payload, options } = answer.response;
  return `${code >> 5}.0${code & 31} ${decodeUtf8(payload)} (${options.uint(OptionNumber.MaxAge)})`;
}

const temperature = request('temperature');

describe('§5.6.1 freshness', () => {
  test('a response is used until its age is greater than Max-Age, and then not', () => {
    const cache = primed(temperature, response(Code.Content, '22.5', [[OptionNumber.MaxAge, 10]]));
    assert.equal(answered(cache, temperature, at(0)), '2.05 22.5 (10)');
    assert.equal(answered(cache, temperature, at(10)), '2.05 22.5 (0)');
    assert.equal(answered(cache, temperature, instant(10_001)), 'ask');
  });

  test('without Max-Age it is 60 seconds', () => {
    const cache = primed(temperature, response(Code.Content, '22.5'));
    assert.equal(answered(cache, temperature, at(60)), '2.05 22.5 (0)');
    assert.equal(answered(cache, temperature, instant(60_001)), 'ask');
  });

  test('§5.7.1: refreshed 20 seconds ago with a Max-Age of 60, it is given with 40', () => {
    const cache = primed(temperature, response(Code.Content, '22.5', [[OptionNumber.MaxAge, 60]]));
    assert.equal(answered(cache, temperature, at(20)), '2.05 22.5 (40)');
    // Never more than is left.
    assert.equal(answered(cache, temperature, instant(20_001)), '2.05 22.5 (39)');
  });

  test('Max-Age 0 prevents caching', () => {
    const cache = primed(temperature, response(Code.Content, '22.5', [[OptionNumber.MaxAge, 0]]));
    assert.equal(answered(cache, temperature, at(0)), 'ask');
    assert.equal(cache.size, 0);
  });

  test('RFC 8613 §4.1.3.1: nothing is kept of what OSCORE protects, and nothing answers it', () => {
    const registration = request('', {
      code: Code.Fetch,
      list: [[OptionNumber.Oscore, Uint8Array.of(9, 0, 12)]],
    });
    const cache = primed(registration, response(Code.Content, 'ciphertext'));
    assert.equal(cache.size, 0);
    assert.equal(answered(cache, registration, at(0)), 'ask');
  });

  test('a new response takes the place of the old one, also when it may not be cached', () => {
    const cache = primed(temperature, response(Code.Content, '22.5'));
    cache.take(temperature, response(Code.Content, '23', [[OptionNumber.MaxAge, 0]]), undefined, at(1));
    assert.equal(answered(cache, temperature, at(1)), 'ask');
  });

  test('RFC 7641 §3.3.1: a notification is kept like a response, and the newest one counts', () => {
    const cache = primed(temperature, response(Code.Content, '22.5', [[OptionNumber.Observe, 1]]));
    cache.take(temperature, response(Code.Content, '23.0', [[OptionNumber.Observe, 2]]), undefined, at(50));
    assert.equal(answered(cache, temperature, at(70)), '2.05 23.0 (40)');
    const answer = cache.find(temperature, at(70));
    assert.equal(answer.kind === 'fresh' && answer.response.options.has(OptionNumber.Observe), false);
  });
});

describe('§5.6.2 validation', () => {
  const tagged = response(Code.Content, '22.5', [
    [OptionNumber.ETag, etagA],
    [OptionNumber.MaxAge, 5],
    [OptionNumber.ContentFormat, 0],
    [2052, 'old'],
  ]);

  test('a stale response with an ETag is asked about by it', () => {
    const answer = primed(temperature, tagged).find(temperature, at(6));
    assert.deepEqual(answer.kind === 'ask' && answer.etags, [etagA]);
  });

  test('§5.9.1.3: 2.03 makes it fresh for its own Max-Age and replaces options of the types it has', () => {
    const cache = primed(temperature, tagged);
    const asked = cache.find(temperature, at(6));
    const valid = response(Code.Valid, '', [
      [OptionNumber.ETag, etagA],
      [OptionNumber.MaxAge, 30],
      [2052, 'new'],
      [2052, 'newer'],
    ]);
    const given = cache.take(temperature, valid, undefined, at(7), asked);
    assert.equal(given.code, Code.Content);
    assert.equal(decodeUtf8(given.payload), '22.5');
    assert.deepEqual(given.options.texts(2052), ['new', 'newer']);
    assert.equal(given.options.uint(OptionNumber.ContentFormat), 0);
    assert.equal(answered(cache, temperature, at(37)), '2.05 22.5 (0)');
    assert.equal(answered(cache, temperature, instant(37_001)), 'ask');
  });

  test('2.03 without Max-Age makes it fresh for 60 seconds', () => {
    const cache = primed(temperature, tagged);
    cache.take(temperature, response(Code.Valid, '', [[OptionNumber.ETag, etagA]]), undefined, at(7));
    assert.equal(answered(cache, temperature, at(67)), '2.05 22.5 (0)');
    assert.equal(answered(cache, temperature, instant(67_001)), 'ask');
  });

  test('a response that was given up while it was asked about can still be validated', () => {
    const cache = primed(temperature, tagged);
    const asked = cache.find(temperature, at(6));
    cache.clear();
    const given = cache.take(
      temperature,
      response(Code.Valid, '', [[OptionNumber.ETag, etagA]]),
      undefined,
      at(7),
      asked,
    );
    assert.equal(decodeUtf8(given.payload), '22.5');
  });

  test('another response code answers the request and replaces what was stored', () => {
    const cache = primed(temperature, tagged);
    const asked = cache.find(temperature, at(6));
    const given = cache.take(
      temperature,
      response(Code.Content, '23', [[OptionNumber.ETag, etagB]]),
      undefined,
      at(7),
      asked,
    );
    assert.equal(decodeUtf8(given.payload), '23');
    assert.equal(answered(cache, temperature, at(8)), '2.05 23 (59)');
  });

  test('§5.10.6.2: a request that has the ETag of a fresh response gets 2.03 without the payload', () => {
    const cache = primed(temperature, tagged);
    const conditional = request('temperature', { list: [[OptionNumber.ETag, etagA]] });
    const answer = cache.find(conditional, at(1));
    assert.ok(answer.kind === 'fresh');
    assert.equal(answer.response.code, Code.Valid);
    assert.equal(answer.response.payload.length, 0);
    assert.deepEqual(answer.response.options.all(OptionNumber.ETag), [etagA]);
    assert.equal(answer.response.options.uint(OptionNumber.MaxAge), 4);
    const other = request('temperature', { list: [[OptionNumber.ETag, etagB]] });
    assert.equal(answered(cache, other, at(1)), '2.05 22.5 (4)');
  });

  test('a 2.03 that speaks of an ETag of the request alone is passed on', () => {
    const cache = primed(temperature, tagged);
    const conditional = request('temperature', { list: [[OptionNumber.ETag, etagB]] });
    const asked = cache.find(conditional, at(6));
    const valid = response(Code.Valid, '', [[OptionNumber.ETag, etagB]]);
    assert.equal(cache.take(conditional, valid, undefined, at(7), asked).code, Code.Valid);
    assert.equal(answered(cache, temperature, at(8)), 'ask');
  });

  test('§5.9.2: errors cannot be validated', () => {
    const error = response(Code.NotFound, 'no', [[OptionNumber.ETag, etagA]]);
    const answer = primed(temperature, error).find(temperature, at(61));
    assert.deepEqual(answer.kind === 'ask' && answer.etags, []);
  });
});

describe('§5.6 what may be used for a request', () => {
  const different: [string, CacheRequest][] = [
    ['another path', request('humidity')],
    ['another query', request('temperature', { list: [[OptionNumber.UriQuery, 'unit=F']] })],
    ['another Accept', request('temperature', { list: [[OptionNumber.Accept, 50]] })],
    ['an unknown option that is safe to forward', request('temperature', { list: [[2052, 'x']] })],
    ['another method', request('temperature', { code: Code.Fetch })],
    ['another server', request('temperature', { origin: 'coap://server:5684' })],
    ['another identity', request('temperature', { identity: 'psk sensor-7' })],
  ];
  for (const [what, asked] of different) {
    test(`a stored response is not used for a request with ${what}`, () => {
      assert.equal(answered(primed(temperature, response(Code.Content, '22.5')), asked, at(1)), 'ask');
    });
  }

  const alike: [string, OptionList][] = [
    ['an unknown option that is NoCacheKey', [[2076, 'x']]],
    ['Size1', [[OptionNumber.Size1, 3]]],
    ['Observe', [[OptionNumber.Observe, 0]]],
    ['Request-Tag (RFC 9175 §3.5)', [[OptionNumber.RequestTag, Uint8Array.of(1)]]],
    ['No-Response (RFC 7967 §3.3)', [[OptionNumber.NoResponse, 26]]],
    ['Hop-Limit (RFC 8768 §3)', [[OptionNumber.HopLimit, 3]]],
  ];
  for (const [what, list] of alike) {
    test(`a stored response is used for a request that differs in ${what}`, () => {
      const cache = primed(temperature, response(Code.Content, '22.5'));
      assert.equal(answered(cache, request('temperature', { list }), at(1)), '2.05 22.5 (59)');
    });
  }

  test('RFC 8132 §2.3.2: the payload of a FETCH is part of the Cache-Key', () => {
    const fetch = (payload: string): CacheRequest =>
      request('log', { code: Code.Fetch, payload: encodeUtf8(payload) });
    const cache = primed(fetch('["a"]'), response(Code.Content, '1'));
    assert.equal(answered(cache, fetch('["a"]'), at(1)), '2.05 1 (59)');
    assert.equal(answered(cache, fetch('["b"]'), at(1)), 'ask');
  });

  test('two lists of options that read alike have different Cache-Keys', () => {
    const cache = primed(request('a', { list: [[OptionNumber.UriPath, 'bc']] }), response(Code.Content, '1'));
    assert.equal(answered(cache, request('ab', { list: [[OptionNumber.UriPath, 'c']] }), at(0)), 'ask');
  });
});

describe('§5.9 what may be cached', () => {
  const codes: [Code, boolean][] = [
    [Code.Created, false],
    [Code.Deleted, false],
    [Code.Valid, false],
    [Code.Changed, false],
    [Code.Content, true],
    [Code.Continue, false],
    [0x46, false], // 2.06 is no known success
    [Code.BadRequest, true],
    [Code.Unauthorized, true],
    [Code.BadOption, true],
    [Code.Forbidden, true],
    [Code.NotFound, true],
    [Code.MethodNotAllowed, true],
    [Code.NotAcceptable, true],
    [Code.RequestEntityIncomplete, false], // about one transfer
    [Code.PreconditionFailed, true],
    [Code.RequestEntityTooLarge, true],
    [Code.UnsupportedContentFormat, true],
    [0x9f, true], // 4.31
    [Code.InternalServerError, true],
    [Code.NotImplemented, true],
    [Code.BadGateway, true],
    [Code.ServiceUnavailable, true],
    [Code.GatewayTimeout, true],
    [Code.ProxyingNotSupported, true],
  ];
  for (const [code, cached] of codes) {
    test(`${code >> 5}.${String(code & 31).padStart(2, '0')} is ${cached ? '' : 'not '}cached`, () => {
      const cache = primed(temperature, response(code, 'x', [[OptionNumber.MaxAge, 7]]));
      assert.equal(cache.find(temperature, at(7)).kind, cached ? 'fresh' : 'ask');
      assert.equal(cache.find(temperature, at(8)).kind, 'ask');
    });
  }

  test('an error with Echo is about one client and is not cached (RFC 9175 §2.3)', () => {
    const cache = primed(temperature, response(Code.Unauthorized, '', [[OptionNumber.Echo, 'x']]));
    assert.equal(answered(cache, temperature, at(0)), 'ask');
  });

  test('answers to POST are not given to another POST, whose payload may differ', () => {
    const post = request('temperature', { code: Code.Post });
    assert.equal(answered(primed(post, response(Code.Content, 'x')), post, at(0)), 'ask');
  });
});

describe('§5.9.1 what makes stored responses stale', () => {
  for (const [method, code] of [
    ['PUT', Code.Put],
    ['POST', Code.Post],
    ['DELETE', Code.Delete],
    ['PATCH', Code.Patch],
    ['iPATCH', Code.IPatch],
  ] as const) {
    for (const result of [Code.Created, Code.Deleted, Code.Changed]) {
      test(`${method} that is answered 2.0${result & 31}: all stored of the resource, for every identity`, () => {
        const cache = primed(temperature, response(Code.Content, '22.5', [[OptionNumber.ETag, etagA]]));
        const accept = request('temperature', { identity: 'other', list: [[OptionNumber.Accept, 0]] });
        cache.take(accept, response(Code.Content, '22.5'), undefined, at(0));
        const elsewhere = request('humidity');
        cache.take(elsewhere, response(Code.Content, '40'), undefined, at(0));
        cache.take(request('temperature', { code }), response(result), undefined, at(1));
        const answer = cache.find(temperature, at(1));
        // It can still be validated.
        assert.deepEqual(answer.kind === 'ask' && answer.etags, [etagA]);
        assert.equal(answered(cache, accept, at(1)), 'ask');
        assert.equal(answered(cache, elsewhere, at(1)), '2.05 40 (59)');
      });
    }

    test(`${method} that fails changes nothing, one without an answer may have`, () => {
      const cache = primed(temperature, response(Code.Content, '22.5'));
      const unsafe = request('temperature', { code });
      cache.take(unsafe, response(Code.Forbidden), undefined, at(1));
      assert.equal(answered(cache, temperature, at(1)), '2.05 22.5 (59)');
      cache.unanswered(unsafe);
      assert.equal(answered(cache, temperature, at(1)), 'ask');
    });
  }

  test('a GET without an answer changes nothing', () => {
    const cache = primed(temperature, response(Code.Content, '22.5'));
    cache.unanswered(temperature);
    assert.equal(answered(cache, temperature, at(1)), '2.05 22.5 (59)');
  });

  test('2.01 with Location-Path: what is stored of the created resource', () => {
    const made = request('sensors', { list: [[OptionNumber.UriPath, '42']] });
    const cache = primed(made, response(Code.NotFound));
    const created = response(Code.Created, '', [
      [OptionNumber.LocationPath, 'sensors'],
      [OptionNumber.LocationPath, '42'],
    ]);
    cache.take(request('sensors', { code: Code.Post }), created, undefined, at(1));
    assert.equal(answered(cache, made, at(1)), 'ask');
  });
});

describe('RFC 8768 §3', () => {
  test('a stored 5.08 is used only for a Hop-Limit that is not greater', () => {
    const hops = (limit: number): CacheRequest =>
      request('temperature', { list: [[OptionNumber.HopLimit, limit]] });
    const cache = primed(hops(4), response(Code.HopLimitReached, 'gw'));
    assert.equal(answered(cache, hops(4), at(0)), '5.08 gw (60)');
    assert.equal(answered(cache, hops(3), at(0)), '5.08 gw (60)');
    assert.equal(answered(cache, hops(5), at(0)), 'ask');
    assert.equal(answered(cache, temperature, at(0)), 'ask');
  });
});

describe('bounds', () => {
  test('the response that was not used for longest goes first', () => {
    const cache = new ResponseCache({ maxEntries: 2 });
    for (const path of ['a', 'b']) cache.take(request(path), response(Code.Content, path), undefined, at(0));
    cache.find(request('a'), at(1));
    cache.take(request('c'), response(Code.Content, 'c'), undefined, at(1));
    assert.equal(cache.size, 2);
    assert.equal(answered(cache, request('b'), at(1)), 'ask');
    assert.equal(answered(cache, request('a'), at(1)), '2.05 a (59)');
  });

  test('100,000 responses take no more than the bytes allowed, and one above them is not kept', () => {
    const cache = new ResponseCache({ maxBytes: 64 * 1024, maxEntries: 1_000_000 });
    for (let i = 0; i < 100_000; i++)
      cache.take(request(`p${i}`), response(Code.Content, 'x'.repeat(i % 90)), undefined, at(0));
    assert.ok(cache.bytes <= 64 * 1024 && cache.size > 50, `${cache.size} with ${cache.bytes} bytes`);
    cache.take(request('large'), response(Code.Content, 'x'.repeat(70_000)), undefined, at(0));
    assert.equal(answered(cache, request('large'), at(0)), 'ask');
    cache.clear();
    assert.equal(cache.bytes, 0);
  });

  test('a limit that is none is refused', () => {
    assert.throws(() => new ResponseCache({ maxBytes: -1 }), ApiMisuseError);
    assert.throws(() => new ResponseCache({ maxEntries: Number.NaN }), ApiMisuseError);
  });
});
