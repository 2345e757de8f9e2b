/** What is kept of the traffic of associations: numbers by slot. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AssociationTraffics } from '../../../src/core/dtls/association-traffic.ts';
import { instant } from '../../../src/core/foundation/instant.ts';

test('bytes of both directions and whole seconds are kept for each slot, however many there are', () => {
  const traffics = new AssociationTraffics();
  for (let slot = 0; slot < 1000; slot++) {
    traffics.begin(slot, instant(5000 + slot * 1000));
    traffics.noteReceived(slot, slot);
    traffics.noteReceived(slot, 1);
    traffics.noteSent(slot, 2 * slot);
  }
  for (const slot of [0, 15, 16, 999]) {
    assert.deepEqual(traffics.of(slot, instant(5000 + 1000 * 1000)), {
      bytesReceived: slot + 1,
      bytesSent: 2 * slot,
      ageSeconds: 1000 - slot,
    });
  }
});

test('a slot that is used again begins at zero', () => {
  const traffics = new AssociationTraffics();
  traffics.begin(3, instant(0));
  traffics.noteSent(3, 100);
  traffics.begin(3, instant(60_000));
  assert.deepEqual(traffics.of(3, instant(61_500)), { bytesReceived: 0, bytesSent: 0, ageSeconds: 1 });
});

test('more than 32 bits say is not counted, and never begins at zero again', () => {
  const traffics = new AssociationTraffics();
  traffics.begin(0, instant(0));
  for (let i = 0; i < 3; i++) traffics.noteReceived(0, 2 ** 31);
  assert.equal(traffics.of(0, instant(0)).bytesReceived, 2 ** 32 - 1);
});
