/**
 * Errors, addresses and randomness.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  ApiMisuseError,
  type DecodeFault,
  InvariantError,
  isDecodeFault,
} from '../../../src/core/foundation/errors.ts';
import { ipAddress } from '../../../src/core/foundation/peer-address.ts';
import {
  type RandomSource,
  randomBytes,
  randomFraction,
  randomUint16,
} from '../../../src/core/foundation/random-source.ts';

it('a fault is told from every other result of a decoder', () => {
  const fault: DecodeFault = { kind: 'decode-fault', layer: 'coap', offset: 0, reason: 'x' };
  assert.equal(isDecodeFault(fault), true);
  for (const value of [[], '', {}, { kind: 'peer-fault' }, undefined, null, 0])
    assert.equal(isDecodeFault(value), false);
});

it('errors have a code; that of a defect asks for a report', () => {
  const misuse = new ApiMisuseError('port is 70000; expected 0 to 65535');
  assert.equal(misuse.code, 'ERR_API_MISUSE');
  assert.equal(misuse.name, 'ApiMisuseError');
  const defect = new InvariantError('no state');
  assert.equal(defect.code, 'ERR_INVARIANT');
  assert.match(defect.message, /no state.*report/);
});

it('an address is named with brackets around IPv6', () => {
  assert.deepEqual(ipAddress('::1', 5683), { key: '[::1]:5683', host: '::1', port: 5683 });
  assert.equal(ipAddress('192.0.2.1', 1).key, '192.0.2.1:1');
});

it('random numbers use all their bits and stay in range', () => {
  const filled = (byte: number): RandomSource => ({ fill: (bytes) => bytes.fill(byte) });
  assert.equal(randomUint16(filled(0)), 0);
  assert.equal(randomUint16(filled(255)), 0xffff);
  assert.equal(randomFraction(filled(0)), 0);
  assert.equal(randomFraction(filled(255)), 1 - 2 ** -32);
  assert.deepEqual(randomBytes(filled(7), 3), Uint8Array.of(7, 7, 7));
});
