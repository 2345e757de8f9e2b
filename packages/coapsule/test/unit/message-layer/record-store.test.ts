/** What is remembered of messages, and how far one looks for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '../../../src/core/foundation/instant.ts';
import {
  type Digest,
  noPlace,
  RecordStore,
  type RecordsOfPeer,
} from '../../../src/core/message-layer/record-store.ts';

const messageId = 7;
const later = 247_000 as Instant;
const now = 0 as Instant;

/** Of a message that nobody can choose the digest of. */
function digestOf(message: number): Digest {
  return { high: Math.imul(message, 0x9e3779b1), low: Math.imul(message ^ (message >>> 7), 0x85ebca6b) };
}

function placesLookedAt(store: RecordStore, peer: RecordsOfPeer, digest: Digest): number {
  let count = 0;
  let place = store.firstLike(peer, messageId, digest);
  for (; place !== noPlace; place = store.nextLike(place)) count++;
  return count;
}

test('a peer that sends thousands of messages under one Message ID has few of them looked at for each', () => {
  const store = new RecordStore(1);
  const peer = store.newPeer('192.0.2.1:5683', now);
  const places: number[] = [];
  const request = { messageId, type: 'NON', unsafe: false } as const;
  for (let i = 0; i < 4096; i++) places.push(store.add(peer, request, 20, digestOf(i), later, 'droppable'));
  let most = 0;
  for (let i = 0; i < 8192; i++) most = Math.max(most, placesLookedAt(store, peer, digestOf(i)));
  assert.ok(most < 128, `${most} of 4,096`);

  // Each is still found, and gone when it is removed.
  for (const [i, place] of places.entries()) {
    const digest = digestOf(i);
    let found = store.firstLike(peer, messageId, digest);
    while (found !== noPlace && !store.isOf(found, 20, digest)) found = store.nextLike(found);
    assert.equal(found, place);
    store.remove(place);
  }
  assert.equal(store.size, 0);
  assert.equal(placesLookedAt(store, peer, digestOf(0)), 0);
});
