/**
 * Loaded into a gateway (`node --expose-gc --import`), and so into its threads: on SIGUSR2 all of them collect their garbage, and
 * the process tells on standard error what memory it has. `heap` is that of all threads together.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

/** Threads answer sooner than that, or are busy and answer next time. */
const answerMs = 500;

async function heapBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await sleep(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const channel = new BroadcastChannel('memory-probe');
channel.unref();
if (isMainThread) {
  let others = 0;
  channel.onmessage = (message) => {
    const { data } = message as { data: unknown };
    if (typeof data === 'number') others += data;
  };
  process.on('SIGUSR2', async () => {
    others = 0;
    channel.postMessage('collect');
    const own = await heapBytes();
    await sleep(answerMs);
    const memory = { heap: own + others, rss: process.memoryUsage.rss() };
    process.stderr.write(`memory ${JSON.stringify(memory)}\n`);
  });
} else {
  channel.onmessage = async (message) => {
    const { data } = message as { data: unknown };
    if (data === 'collect') channel.postMessage(await heapBytes());
  };
}
