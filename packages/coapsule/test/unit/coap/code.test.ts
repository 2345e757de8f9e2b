/**
 * Codes: RFC 7252 §12.1 and the codes added since.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  Code,
  codeClass,
  codeName,
  codeOfMethod,
  codeText,
  isRequestCode,
  isResponseCode,
  isSuccessCode,
  type Method,
  methodOf,
} from '../../../src/core/coap/code.ts';
import { ApiMisuseError } from '../../../src/core/foundation/errors.ts';

it('codes are written as class, dot and two digits of detail', () => {
  assert.equal(codeText(Code.Content), '2.05');
  assert.equal(codeText(Code.Continue), '2.31');
  assert.equal(codeText(Code.RequestEntityTooLarge), '4.13');
  assert.equal(codeText(Code.HopLimitReached), '5.08');
  assert.equal(codeText(Code.Empty), '0.00');
  assert.equal(codeClass(Code.TooManyRequests), 4);
});

it('the registered codes have the numbers and names of the RFCs', () => {
  const registered: [string, string][] = [
    ['2.01', 'Created'],
    ['2.02', 'Deleted'],
    ['2.03', 'Valid'],
    ['2.04', 'Changed'],
    ['2.05', 'Content'],
    ['2.31', 'Continue'],
    ['4.00', 'Bad Request'],
    ['4.01', 'Unauthorized'],
    ['4.02', 'Bad Option'],
    ['4.03', 'Forbidden'],
    ['4.04', 'Not Found'],
    ['4.05', 'Method Not Allowed'],
    ['4.06', 'Not Acceptable'],
    ['4.08', 'Request Entity Incomplete'],
    ['4.09', 'Conflict'],
    ['4.12', 'Precondition Failed'],
    ['4.13', 'Request Entity Too Large'],
    ['4.15', 'Unsupported Content-Format'],
    ['4.22', 'Unprocessable Entity'],
    ['4.29', 'Too Many Requests'],
    ['5.00', 'Internal Server Error'],
    ['5.01', 'Not Implemented'],
    ['5.02', 'Bad Gateway'],
    ['5.03', 'Service Unavailable'],
    ['5.04', 'Gateway Timeout'],
    ['5.05', 'Proxying Not Supported'],
    ['5.08', 'Hop Limit Reached'],
  ];
  const responses = Object.values(Code).filter(isResponseCode);
  assert.deepEqual(
    responses.map((code) => [codeText(code), codeName(code)]),
    registered,
  );
  assert.equal(codeName(0x5e), undefined);
});

it('a code is a request, a response, Empty or reserved, and only one of them', () => {
  for (let code = 0; code < 256; code++) {
    const expected =
      code === 0 ? 'Empty' : ['request', '', 'response', 'response', 'response', 'response'][code >> 5];
    assert.equal(isRequestCode(code), expected === 'request');
    assert.equal(isResponseCode(code), expected === 'response');
    assert.equal(isSuccessCode(code), code >> 5 === 2);
  }
});

it('methods and their codes are each other’s inverse', () => {
  const methods: Method[] = ['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'IPATCH'];
  assert.deepEqual(methods.map(codeOfMethod), [1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(
    methods.map((method) => methodOf(codeOfMethod(method))),
    methods,
  );
  assert.equal(methodOf(Code.Empty), undefined);
  assert.equal(methodOf(8), undefined);
  assert.equal(methodOf(Code.Content), undefined);
  assert.throws(() => codeOfMethod('HEAD' as Method), ApiMisuseError);
});
