/**
 * The bound of what waits in a socket to be sent.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SendPressure } from '../../src/node/send-pressure.ts';

test('a socket that takes nothing is given no more than the bound and 64 datagrams, and goes on when it is empty', () => {
  let queued = 0;
  const pressure = new SendPressure(() => queued);
  let lost = 0;
  for (let i = 0; i < 10_000; i++) {
    if (pressure.mayGo()) queued += 1024;
    else lost++;
  }
  assert.ok(queued > 4 * 1024 * 1024 && queued <= 4 * 1024 * 1024 + 64 * 1024);
  assert.equal(lost, 10_000 - queued / 1024);
  queued = 0;
  assert.ok(pressure.mayGo());
});
