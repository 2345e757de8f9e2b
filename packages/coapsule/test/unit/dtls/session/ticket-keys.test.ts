import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { TicketKeys } from '../../../../src/core/dtls/session/ticket-keys.ts';
import { concatBytes, equalBytes, toHex } from '../../../../src/core/foundation/bytes.ts';
import { instant } from '../../../../src/core/foundation/instant.ts';
import { nodeCrypto } from '../../../../src/crypto/node-crypto.ts';
import { SeededRandom } from '../../../../src/testing/seeded-random.ts';
import { sampleSession } from './session-samples.ts';

const keys = (seed = 1, periodMs = 1000): TicketKeys =>
  new TicketKeys(nodeCrypto, new SeededRandom(seed), periodMs);

suite('session tickets', () => {
  test('open to the session they were sealed from, and stay as they are', () => {
    const own = keys();
    const ticket = own.seal(sampleSession, instant(0));
    const copy = ticket.slice();
    assert.deepEqual(own.open(ticket, instant(0)), { session: sampleSession, isKeyOld: false });
    assert.deepEqual(own.open(ticket, instant(1))?.session, sampleSession, 'again');
    assert.deepEqual(ticket, copy);
  });

  test('hide the session: no secret, identity or name shows', () => {
    const ticket = toHex(keys().seal({ ...sampleSession, serverName: 'device.example' }, instant(0)));
    for (const secret of [sampleSession.masterSecret, sampleSession.identity]) {
      assert.ok(!ticket.includes(toHex(secret).slice(0, 16)));
    }
  });

  test('with any bit flipped, cut, longer or of another server do not open', () => {
    const own = keys();
    const ticket = own.seal(sampleSession, instant(0));
    for (let bit = 0; bit < 8 * ticket.length; bit++) {
      const forged = ticket.slice();
      forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.equal(own.open(forged, instant(0)), undefined, `bit ${bit}`);
    }
    for (let length = 0; length < ticket.length; length++) {
      assert.equal(own.open(ticket.subarray(0, length), instant(0)), undefined, `${length} bytes`);
    }
    assert.equal(own.open(concatBytes(ticket, Uint8Array.of(0)), instant(0)), undefined);
    assert.equal(keys(2).open(ticket, instant(0)), undefined);
  });

  test('are sealed under a key for one period and open for one more', () => {
    const own = keys();
    const first = own.seal(sampleSession, instant(0));
    const second = own.seal(sampleSession, instant(999));
    const third = own.seal(sampleSession, instant(1000));
    assert.ok(equalBytes(first.subarray(0, 8), second.subarray(0, 8)));
    assert.ok(!equalBytes(first.subarray(0, 8), third.subarray(0, 8)), 'another key');
    assert.equal(own.open(second, instant(999))?.isKeyOld, false);
    assert.equal(own.open(second, instant(1999))?.isKeyOld, true);
    assert.equal(own.open(second, instant(2000)), undefined);
    assert.notEqual(own.open(third, instant(2000)), undefined);
    assert.equal(own.open(third, instant(3000)), undefined, 'without a newer key too');
  });

  test('never share a nonce under one key', () => {
    const own = keys();
    const seen = new Set<string>();
    for (let i = 0; i < 5000; i++) seen.add(toHex(own.seal(sampleSession, instant(i)).subarray(0, 14)));
    assert.equal(seen.size, 5000);
  });
});
