/** Loaded into a gateway (`node --expose-gc --import`): on SIGUSR2 it collects garbage and tells what memory it has on standard error. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  process.on('SIGUSR2', async () => {
    for (let round = 0; round < 3; round++) {
      globalThis.gc?.();
      await sleep(20);
    }
    const { heapUsed, external, rss } = process.memoryUsage();
    process.stderr.write(`memory ${JSON.stringify({ heap: heapUsed + external, rss })}\n`);
  });
}
