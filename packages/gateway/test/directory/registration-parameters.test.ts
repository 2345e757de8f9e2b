import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { registrationParameters } from '../../src/directory/registration-parameters.ts';

test('ep, d, lt and base are read, and every other parameter is kept as it is (RFC 9176 §5)', () => {
  assert.deepEqual(
    registrationParameters([
      'ep=node 1/ü',
      'd=floor-3',
      'lt=500',
      'base=coap://[2001:db8::1]:5683',
      'et=a',
      'et=b',
      'con',
    ]),
    {
      name: 'node 1/ü',
      sector: 'floor-3',
      lifetimeSeconds: 500,
      base: 'coap://[2001:db8::1]:5683',
      attributes: [
        ['et', 'a'],
        ['et', 'b'],
        ['con', undefined],
      ],
    },
  );
  assert.deepEqual(registrationParameters([]), {
    ...{ name: undefined, sector: undefined, lifetimeSeconds: undefined, base: undefined, attributes: [] },
  });
});

test('a lifetime is 1 to 4294967295 seconds', () => {
  for (const lt of ['1', '4294967295']) assert.equal(typeof registrationParameters([`lt=${lt}`]), 'object');
  for (const lt of ['0', '4294967296', '-1', '1.5', '1e3', 'x', '', ' 1']) {
    assert.match(String(registrationParameters([`lt=${lt}`])), /^lt /, lt);
  }
});

test('a name has at most 63 bytes of UTF-8 and no control characters (RFC 9176 §5)', () => {
  assert.equal(typeof registrationParameters([`ep=${'ü'.repeat(31)}e`]), 'object');
  assert.match(String(registrationParameters([`ep=${'ü'.repeat(32)}`])), /ep has more than 63 bytes/);
  for (const bad of ['\u0000', '\u001f', '\u007f', '\u009f']) {
    assert.match(String(registrationParameters([`d=a${bad}`])), /d has a control character/);
  }
});

test('a base is scheme and authority, without a zone (RFC 9176 §5)', () => {
  for (const base of [
    'coap://local-proxy.example.com',
    'coaps://192.0.2.1:5684',
    'coap+tcp://[fe80::1]',
    'http://[2001:db8:1::1]/',
  ]) {
    assert.equal(typeof registrationParameters([`base=${base}`]), 'object', base);
  }
  for (const base of [
    'coap://a/b',
    'coap://a?b',
    'coap://a#b',
    '//a',
    'a',
    'coap:',
    'coap://',
    'coap://a b',
    'coap://u@a',
  ]) {
    assert.match(String(registrationParameters([`base=${base}`])), /^base is not/, base);
  }
  assert.match(String(registrationParameters(['base=coap://[fe80::1%25eth0]'])), /zone/);
});

test('what is there twice, has no value, or would mean something else in a look-up is refused', () => {
  for (const query of [
    ['ep=a', 'ep=b'],
    ['ep'],
    ['d='],
    ['href=/a'],
    ['rt=core.rd'],
    ['page=1'],
    ['a b=c'],
    ['=c'],
  ]) {
    assert.equal(typeof registrationParameters(query), 'string', query.join('&'));
  }
  assert.match(
    String(registrationParameters(Array.from({ length: 17 }, (_, index) => `a${index}=1`))),
    /more than 16/,
  );
  assert.match(String(registrationParameters([`a=${'x'.repeat(300)}`])), /longer than 256/);
});

test('no queries make it throw', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (queries) => {
      const read = registrationParameters(queries);
      assert.ok(typeof read === 'string' || Buffer.byteLength(read.name ?? '') <= 63);
    }),
  );
});
