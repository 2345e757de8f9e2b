/**
 * Addresses of datagrams: one object for each, as long as they are few.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { SourceAddresses } from '../../src/node/source-addresses.ts';

test('datagrams of one address and port have the same address, and others have others', () => {
  const sources = new SourceAddresses();
  const literals = ['192.0.2.1', '::ffff:192.0.2.1', '::1', 'fe80::1%eth0', '192.0.2.10'];
  for (const host of literals) {
    for (const port of [1, 5683, 65_535]) {
      const address = sources.of(host, port);
      assert.deepEqual(address, ipAddress(host, port));
      // Not the string that was seen before, but an equal one.
      assert.equal(sources.of(Buffer.from(host).toString(), port), address);
    }
  }
});

test('a flood of invented addresses does not grow the memory of them, and none is confused with another', () => {
  const sources = new SourceAddresses();
  for (let i = 0; i < 200_000; i++) {
    const host = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
    const address = sources.of(host, 1 + (i % 65_535));
    assert.equal(address.key, `${host}:${1 + (i % 65_535)}`);
    assert.ok(sources.size <= 65_536);
  }
});
