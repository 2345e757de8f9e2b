/** How many passwords can be tried, by one and by many. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoginThrottle, type LoginTry } from '../../src/console/login-throttle.ts';
import { networkOf } from '../../src/text/network.ts';

function begun(throttle: LoginThrottle, address: string, name: string | undefined, atMs = 0): LoginTry {
  const answer = throttle.begin(address, name, atMs);
  if ('waitMs' in answer) return assert.fail(`it has to wait ${answer.waitMs} ms`);
  return answer;
}

function waitMs(throttle: LoginThrottle, address: string, name: string | undefined, atMs = 0): number {
  const answer = throttle.begin(address, name, atMs);
  if ('waitMs' in answer) return answer.waitMs;
  answer.withdraw();
  return 0;
}

test('tries that are under way count: the sixth at once waits, and may begin when one of them was right', () => {
  const throttle = new LoginThrottle();
  const five = Array.from({ length: 5 }, (_, index) => begun(throttle, 'a', `user ${index}`));
  assert.equal(waitMs(throttle, 'a', 'user 6'), 1000);
  five[0]?.succeeded();
  assert.equal(waitMs(throttle, 'a', 'user 6'), 0);
});

test('who has a password of their own cannot log in to try more passwords of others', () => {
  const throttle = new LoginThrottle();
  let atMs = 0;
  const waits: number[] = [];
  for (let round = 0; round < 8; round++) {
    begun(throttle, 'a', 'mallory', atMs).succeeded();
    begun(throttle, 'a', `victim ${round}`, atMs);
    waits.push(waitMs(throttle, 'a', 'victim', atMs));
    atMs += waits.at(-1) ?? 0;
  }
  assert.deepEqual(waits, [0, 0, 0, 0, 1000, 2000, 4000, 8000]);
});

test('who logs in takes back their own failures, not those of who guesses at the name from elsewhere', () => {
  const throttle = new LoginThrottle();
  for (let count = 0; count < 2; count++) begun(throttle, 'stranger', 'alice');
  for (let count = 0; count < 2; count++) begun(throttle, 'home', 'alice');
  begun(throttle, 'home', 'alice').succeeded();
  for (let count = 0; count < 2; count++) begun(throttle, 'stranger', 'alice');
  assert.equal(waitMs(throttle, 'home', 'bob'), 0, 'nothing is left of the address of alice');
  begun(throttle, 'home', 'alice');
  assert.equal(waitMs(throttle, 'elsewhere', 'alice'), 1000, 'four of the stranger and one of alice');
});

test('a try that was right makes nobody wait anew', () => {
  const throttle = new LoginThrottle();
  for (let count = 0; count < 5; count++) begun(throttle, 'a', `user ${count}`, 0);
  begun(throttle, 'a', 'alice', 1000).succeeded();
  assert.equal(waitMs(throttle, 'a', 'user', 1000), 0);
});

test('a try that nobody looked at does not count', () => {
  const throttle = new LoginThrottle();
  for (let count = 0; count < 50; count++) begun(throttle, 'a', 'alice').withdraw();
  assert.equal(waitMs(throttle, 'a', 'alice'), 0);
  assert.equal(throttle.size, 0);
});

test('failures are forgotten after an hour without one, and not before', () => {
  const throttle = new LoginThrottle();
  for (let count = 0; count < 5; count++) begun(throttle, 'a', undefined, 0);
  const hour = 60 * 60_000;
  begun(throttle, 'a', undefined, hour);
  assert.equal(waitMs(throttle, 'a', undefined, hour), 2000);
  begun(throttle, 'a', undefined, 2 * hour + 1);
  assert.equal(waitMs(throttle, 'a', undefined, 2 * hour + 1), 0);
});

test('a hundred thousand addresses and names take no more memory than the bound, and one /64 of IPv6 is one address', () => {
  const throttle = new LoginThrottle(1000);
  for (let count = 0; count < 100_000; count++) {
    const address = networkOf(`2001:db8:${(count >> 8).toString(16)}:${(count & 255).toString(16)}::1`);
    begun(throttle, address, `name ${count}`);
  }
  assert.equal(throttle.size, 3000);
  for (let count = 0; count < 5; count++) begun(throttle, networkOf(`fd00::${count}`), undefined);
  assert.equal(waitMs(throttle, networkOf('fd00::ffff:0:0:1'), undefined), 1000);
  assert.equal(waitMs(throttle, networkOf('fd00:0:0:1::'), undefined), 0);
});
