import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { SessionCache } from '../../../../src/core/dtls/session/session-cache.ts';
import { instant } from '../../../../src/core/foundation/instant.ts';
import { sampleSession } from './session-samples.ts';

const id = (n: number): Uint8Array => new Uint8Array(32).fill(n);

suite('the session cache', () => {
  test('gives a session back by its id, and nothing for another', () => {
    const cache = new SessionCache(10, 1000);
    cache.add(id(1), sampleSession, 1, instant(0));
    assert.deepEqual(cache.find(id(1), instant(999)), sampleSession);
    assert.equal(cache.find(id(2), instant(0)), undefined);
    assert.equal(cache.find(id(1).subarray(0, 31), instant(0)), undefined);
  });

  test('gives no session that is too old', () => {
    const cache = new SessionCache(10, 1000);
    cache.add(id(1), sampleSession, 1, instant(0));
    assert.equal(cache.find(id(1), instant(1000)), undefined);
  });

  test('never holds more than its limit: the oldest goes', () => {
    const cache = new SessionCache(3, 1000);
    for (let n = 1; n <= 5; n++) cache.add(id(n), sampleSession, n, instant(0));
    assert.equal(cache.size, 3);
    assert.deepEqual(
      [1, 2, 3, 4, 5].filter((n) => cache.find(id(n), instant(0)) !== undefined),
      [3, 4, 5],
    );
  });

  test('drops what is too old when something new comes', () => {
    const cache = new SessionCache(10, 1000);
    for (let n = 1; n <= 5; n++) cache.add(id(n), sampleSession, n, instant(0));
    cache.add(id(6), { ...sampleSession, createdAt: instant(5000) }, 6, instant(5000));
    assert.equal(cache.size, 1);
  });

  test('with a limit of 0 keeps nothing', () => {
    const cache = new SessionCache(0, 1000);
    cache.add(id(1), sampleSession, 1, instant(0));
    assert.equal(cache.size, 0);
  });

  test('forgets the session of the association that used it last', () => {
    const cache = new SessionCache(10, 1000);
    cache.add(id(1), sampleSession, 1, instant(0));
    cache.add(id(2), sampleSession, 2, instant(0));
    cache.noteResumed(id(1), 3);
    cache.forget(1);
    assert.equal(cache.size, 2);
    cache.forget(3);
    assert.equal(cache.find(id(1), instant(0)), undefined);
    assert.notEqual(cache.find(id(2), instant(0)), undefined);
  });
});
