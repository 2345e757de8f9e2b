/** Between HTTP and CoAP by the tables of RFC 8075. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from 'coapsule';
import fc from 'fast-check';
import {
  type CoapAnswer,
  httpAnswer,
  mappedRequest,
  mediaTypeOf,
  targetUri,
} from '../../src/http/http-mapping.ts';

const none = new Uint8Array();
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function answered(code: Code, more: Partial<CoapAnswer> = {}, method = 'GET') {
  const answer = {
    code,
    payload: none,
    contentFormat: undefined,
    maxAgeSeconds: undefined,
    etag: undefined,
    location: undefined,
    isMapped: true,
  };
  return httpAnswer(method, { ...answer, ...more });
}

function mapped(method: string, headers: Record<string, string> = {}, hasBody = false) {
  return mappedRequest(method, hasBody, (name) => headers[name]);
}

/** The status that a request is refused with. */
function refusal(method: string, headers: Record<string, string> = {}, hasBody = false): number | undefined {
  const request = mapped(method, headers, hasBody);
  return 'status' in request ? request.status : undefined;
}

test('§7 Table 2: each response code has its status', () => {
  const table: readonly (readonly [Code, number])[] = [
    [Code.Created, 201],
    [Code.Deleted, 204],
    [Code.Valid, 304],
    [Code.Changed, 204],
    [Code.Content, 200],
    [Code.BadRequest, 400],
    [Code.Unauthorized, 403],
    [Code.BadOption, 400],
    [Code.Forbidden, 403],
    [Code.NotFound, 404],
    [Code.MethodNotAllowed, 400],
    [Code.NotAcceptable, 406],
    [Code.PreconditionFailed, 412],
    [Code.RequestEntityTooLarge, 413],
    [Code.UnsupportedContentFormat, 415],
    [Code.InternalServerError, 500],
    [Code.NotImplemented, 501],
    [Code.BadGateway, 502],
    [Code.ServiceUnavailable, 503],
    [Code.GatewayTimeout, 504],
    [Code.ProxyingNotSupported, 502],
  ];
  for (const [code, status] of table) assert.equal(answered(code).status, status, String(code));
});

test('§7: with a payload 2.02 and 2.04 are 200 (note 2), and 5.03 says when to come again (note 8)', () => {
  for (const code of [Code.Deleted, Code.Changed]) {
    const { status, body } = answered(code, { payload: bytes('done'), contentFormat: 0 });
    assert.deepEqual([status, new TextDecoder().decode(body)], [200, 'done']);
  }
  assert.equal(answered(Code.ServiceUnavailable, { maxAgeSeconds: 30 }).headers['retry-after'], '30');
  assert.equal(answered(Code.TooManyRequests, { maxAgeSeconds: 5 }).headers['retry-after'], '5');
});

test('§7: 4.02 is 400 where a header may be its cause, and 500 where none can be (note 6)', () => {
  assert.equal(answered(Code.BadOption).status, 400);
  assert.equal(answered(Code.BadOption, { isMapped: false }).status, 500);
});

test('§6.2, §6.6: what a payload is: by its format, an unknown one by its number, diagnostics as text', () => {
  assert.equal(mediaTypeOf(0), 'text/plain; charset=utf-8');
  assert.equal(mediaTypeOf(50), 'application/json');
  assert.equal(mediaTypeOf(65_000), 'application/coap-payload;cf=65000');
  assert.equal(
    answered(Code.Content, { payload: bytes('x') }).headers['content-type'],
    'application/octet-stream',
  );
  const diagnostic = answered(Code.NotFound, { payload: bytes('no such\r\nthing') });
  assert.equal(diagnostic.headers['content-type'], 'text/plain; charset=utf-8');
  assert.equal(
    answered(Code.Content, { payload: bytes('<script>'), contentFormat: 41 }).headers[
      'content-security-policy'
    ],
    'sandbox',
  );
});

test('freshness, ETags and locations cross over; HEAD gets no body', () => {
  const { headers } = answered(Code.Content, { maxAgeSeconds: 10, etag: Uint8Array.of(0xab, 1) });
  assert.deepEqual([headers['cache-control'], headers['etag']], ['max-age=10', '"ab01"']);
  assert.equal(answered(Code.Content).headers['cache-control'], 'max-age=60');
  assert.equal(
    answered(Code.Created, { location: '/coap/sensors/42' }).headers['location'],
    '/coap/sensors/42',
  );
  assert.equal(answered(Code.Content, { payload: bytes('x') }, 'HEAD').body.length, 0);
});

test('§6.1, §6.3: media types become content formats, exact or generalised; what has none is 415', () => {
  const format = (type: string): unknown => {
    const request = mapped('PUT', { 'content-type': type }, true);
    return 'status' in request ? request.status : request.contentFormat;
  };
  assert.equal(format('application/json'), 50);
  assert.equal(format('Application/JSON; charset=UTF-8'), 50);
  assert.equal(format('application/senml+json'), 110);
  assert.equal(format('application/soap+xml'), 41);
  assert.equal(format('application/problem+json'), 50);
  assert.equal(format('text/csv'), 0);
  assert.equal(format('text/plain; charset=iso-8859-1'), 415);
  assert.equal(format('application/coap-payload;cf=60'), 415);
  assert.equal(format('video/mp4'), 415);
  assert.equal(refusal('PUT', { 'content-type': 'application/json', 'content-encoding': 'gzip' }, true), 415);
});

test('§6.1: one acceptable type becomes an Accept; several, */* and unknown ones are not said', () => {
  const accept = (header: string): unknown => {
    const request = mapped('GET', { accept: header });
    return 'status' in request ? request : request.accept;
  };
  assert.equal(accept('application/cbor'), 60);
  assert.equal(accept('application/json;q=0.9'), 50);
  for (const header of [
    '*/*',
    'application/json, text/plain',
    'application/*',
    'video/mp4',
    'text/event-stream',
  ]) {
    assert.equal(accept(header), undefined, header);
  }
});

test('conditions: ETags that came from here go back; others are 400, and so is what CoAP cannot say', () => {
  const request = mapped('GET', { 'if-none-match': '"ab01", W/"02"' });
  assert.ok(!('status' in request));
  assert.deepEqual(request.etag, [Uint8Array.of(0xab, 1), Uint8Array.of(2)]);
  const put = mapped('PUT', { 'if-match': '*', 'if-none-match': '*' });
  assert.ok(!('status' in put));
  assert.deepEqual([put.ifMatch, put.ifNoneMatch], [[none], true]);
  assert.equal(refusal('GET', { 'if-none-match': '"not ours"' }), 400);
  assert.equal(refusal('PUT', { 'if-none-match': '"ab"' }), 400);
  assert.equal(refusal('TRACE'), 501);
});

test('§5.3: the target stands behind /hc/, with percent-encoded brackets reverted; without a scheme it is 400', () => {
  assert.equal(targetUri('coap://s.example.com/light?on'), 'coap://s.example.com/light?on');
  assert.equal(targetUri('coap://%5B2001:db8::1%5D/light?on'), 'coap://[2001:db8::1]/light?on');
  assert.equal(targetUri('coaps:/s.example.com/light'), 'coaps://s.example.com/light');
  for (const bad of ['', 's.example.com/light', 'http://a/', 'coap://', 'coap://a b/']) {
    assert.equal((targetUri(bad) as { status?: number }).status, 400, bad);
  }
});

test('no header, target or answer makes the mapping throw', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.nat(255),
      (method, header, target, code) => {
        mappedRequest(method, true, () => header);
        targetUri(target);
        answered(code as Code, { payload: bytes(target), contentFormat: code });
      },
    ),
  );
});
