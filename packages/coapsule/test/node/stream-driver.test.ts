/** The end of a driver of streams. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamEndpoint } from '../../src/core/endpoint/stream-endpoint.ts';
import { ipAddress } from '../../src/core/foundation/peer-address.ts';
import { nodeCrypto } from '../../src/crypto/node-crypto.ts';
import { StreamDriver } from '../../src/node/stream-driver.ts';
import { systemRandom } from '../../src/node/system-random.ts';

test('whoever closes a driver of streams that is being closed waits for it too', async () => {
  const driver = new StreamDriver({
    endpoint: new StreamEndpoint({ random: systemRandom, crypto: nodeCrypto }),
    onOutput: () => {},
    onDefect: (error) => assert.ifError(error),
    dial: () => Promise.reject(new Error('nothing is dialled here')),
  });
  const ended: string[] = [];
  const closing = Promise.withResolvers<void>();
  driver.serve({
    local: ipAddress('192.0.2.1', 5683),
    close: () => closing.promise.then(() => void ended.push('port')),
  });
  const both = ['first', 'second'].map(async (name) => {
    await driver.close(0);
    ended.push(name);
  });
  await new Promise((resolve) => setImmediate(resolve));
  closing.resolve();
  await Promise.all(both);
  assert.deepEqual(ended, ['port', 'first', 'second']);
});
