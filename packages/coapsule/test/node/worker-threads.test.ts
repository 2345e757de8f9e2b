/** How worker threads are ended. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { WorkerThreads } from '../../src/node/worker-threads.ts';

test('worker 0 is waited for also when another worker has used up its time and was ended', async () => {
  let hasClosed = false;
  const threads = await WorkerThreads.start({
    // It never ends of itself.
    module: new URL('data:text/javascript,setInterval(() => {}, 1000)'),
    count: 2,
    first: async (link) => {
      link.onClose(async () => {
        for (let i = 0; i < 20; i++) await turn();
        hasClosed = true;
      });
    },
    onBegin: (_index, port) => port.close(),
    onEnded: () => assert.fail('it was told to end'),
    longestCloseMs: 1000,
  });
  await threads.close();
  assert.ok(hasClosed);
});
