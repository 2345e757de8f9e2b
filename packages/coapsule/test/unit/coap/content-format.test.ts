/**
 * Content-Formats: RFC 7252 §12.3.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  contentFormatDefinition,
  contentFormatMediaType,
  contentFormatName,
  contentFormatOf,
} from '../../../src/core/coap/content-format.ts';

it('the formats of RFC 7252 Table 9 have their numbers', () => {
  const formats: [string, number][] = [
    ['text/plain;charset=utf-8', 0],
    ['application/link-format', 40],
    ['application/xml', 41],
    ['application/octet-stream', 42],
    ['application/exi', 47],
    ['application/json', 50],
  ];
  for (const [name, number] of formats) assert.equal(contentFormatOf(name), number);
});

it('format 0 is named text/plain, and is UTF-8 as a media type', () => {
  assert.equal(contentFormatOf('text/plain'), 0);
  assert.equal(contentFormatName(0), 'text/plain');
  assert.equal(contentFormatMediaType(0), 'text/plain; charset=utf-8');
});

it('a name leads back to the number it came from', () => {
  let known = 0;
  for (let number = 0; number <= 0xffff; number++) {
    const name = contentFormatName(number);
    if (name === undefined) continue;
    known++;
    assert.equal(contentFormatOf(name), number);
    const { mediaType, coding, source } = contentFormatDefinition(number) ?? assert.fail();
    assert.equal(contentFormatMediaType(number), mediaType);
    assert.equal(contentFormatOf(coding === undefined ? mediaType : `${mediaType}@${coding}`), number);
    assert.notEqual(source, '');
  }
  assert.ok(known > 40);
});

/** Registrations in the texts of RFCs: 7252, 7390, 8132, 8392, 8428, 8613, 8710, 8790, 8949, 9052, 9148, 9177, 9200, 9237, 9290, 9953. */
const registered = `
0 text/plain; charset=utf-8
16 application/cose; cose-type="cose-encrypt0"
17 application/cose; cose-type="cose-mac0"
18 application/cose; cose-type="cose-sign1"
19 application/ace+cbor
40 application/link-format
41 application/xml
42 application/octet-stream
47 application/exi
50 application/json
51 application/json-patch+json
52 application/merge-patch+json
60 application/cbor
61 application/cwt
62 application/multipart-core
96 application/cose; cose-type="cose-encrypt"
97 application/cose; cose-type="cose-mac"
98 application/cose; cose-type="cose-sign"
101 application/cose-key
102 application/cose-key-set
110 application/senml+json
111 application/sensml+json
112 application/senml+cbor
113 application/sensml+cbor
114 application/senml-exi
115 application/sensml-exi
256 application/coap-group+json
257 application/concise-problem-details+cbor
272 application/missing-blocks+cbor-seq
280 application/pkcs7-mime; smime-type=server-generated-key
281 application/pkcs7-mime; smime-type=certs-only
284 application/pkcs8
285 application/csrattrs
286 application/pkcs10
287 application/pkix-cert
290 application/aif+cbor
291 application/aif+json
310 application/senml+xml
311 application/sensml+xml
320 application/senml-etch+json
322 application/senml-etch+cbor
553 application/dns-message
10001 application/oscore`;

it('each registration in the RFCs has its number', () => {
  for (const line of registered.trim().split('\n')) {
    const [, number, mediaType] = /^(\d+) (.*)$/.exec(line) ?? [];
    assert.equal(contentFormatMediaType(Number(number)), mediaType);
  }
});

it('a content coding makes another format of the same media type, named with "@" (RFC 9193 §3)', () => {
  assert.equal(contentFormatName(11_050), 'application/json@deflate');
  assert.equal(contentFormatOf('application/json@deflate'), 11_050);
  assert.equal(contentFormatMediaType(11_050), 'application/json');
  assert.equal(contentFormatDefinition(11_060)?.coding, 'deflate');
  assert.equal(contentFormatOf('application/json'), 50);
});

it('letter case and spaces around parameters do not matter', () => {
  assert.equal(contentFormatOf('Text/Plain ;  Charset=UTF-8'), 0);
  assert.equal(contentFormatOf('application/cose;cose-type=cose-sign1'), 18);
});

it('a number stands for itself, also as text, also when it is not registered', () => {
  assert.equal(contentFormatOf(50), 50);
  assert.equal(contentFormatOf('50'), 50);
  assert.equal(contentFormatOf(65_535), 65_535);
  assert.equal(contentFormatOf(12_345), 12_345);
});

it('an unknown name and a number above 65535 have no format', () => {
  for (const wrong of ['application/unknown', '', ' ', '65536', '-1', '1e3', '0x10']) {
    assert.equal(contentFormatOf(wrong), undefined, wrong);
  }
  for (const wrong of [65_536, -1, 0.5, Number.NaN]) assert.equal(contentFormatOf(wrong), undefined);
  assert.equal(contentFormatName(12_345), undefined);
});
