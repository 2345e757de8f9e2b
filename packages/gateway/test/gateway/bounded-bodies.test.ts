import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoundedBodies } from '../../src/resources/bounded-bodies.ts';

const body = (length: number) => ({ payload: new Uint8Array(length) });

test('the body written longest ago goes first when room is needed', () => {
  const bodies = new BoundedBodies(3 * 1450);
  assert.deepEqual(bodies.set('a', body(1000)), []);
  assert.deepEqual(bodies.set('b', body(1000)), []);
  assert.deepEqual(bodies.set('a', body(1000)), []); // now b is the oldest
  assert.deepEqual(bodies.set('c', body(1000)), []);
  assert.deepEqual(bodies.set('d', body(1500)), ['b', 'a']);
  assert.equal(bodies.get('a'), undefined);
  assert.equal(bodies.get('c')?.payload.length, 1000);
});

test('the total never exceeds the bound, and what was deleted does not count', () => {
  const bodies = new BoundedBodies(10_000);
  for (let name = 0; name < 1000; name += 1) {
    bodies.set(`${name}`, body(name % 7 === 0 ? 0 : 900));
    assert.ok(bodies.totalBytes <= 10_000);
  }
  for (let name = 0; name < 1000; name += 1) bodies.delete(`${name}`);
  assert.equal(bodies.totalBytes, 0);
  assert.equal(bodies.delete('0'), false);
});
