/**
 * Content-Formats: RFC 7252 §12.3.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
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
    assert.equal(contentFormatOf(contentFormatMediaType(number) ?? ''), number);
  }
  assert.ok(known > 40);
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
