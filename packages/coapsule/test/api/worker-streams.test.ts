/** What worker 0 opens for all: it can be closed and opened again, and what is refused is not left open. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { portWorker, Server } from '../../src/index.ts';
import { joinWorkers } from '../../src/node/own-worker.ts';

const uri = 'coap+tcp://127.0.0.1:0';

/** Sockets that listen; one that is closed is gone in the next turn of the loop. */
async function serverSockets(): Promise<number> {
  await setImmediate();
  return process.getActiveResourcesInfo().filter((resource) => resource === 'TCPServerWrap').length;
}

test('a stream that is listened on twice in worker 0 is refused without a socket that stays, and can be opened again when it was closed', async (t) => {
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  const begun = new MessageChannel();
  t.after(() => begun.port1.close());
  joinWorkers(
    { index: 0, count: 2, isReplacement: false, bound: [], control: port2 },
    undefined,
    begun.port2,
  );
  const worker = portWorker();
  assert.ok(worker);
  await using server = new Server();
  const listener = await server.listen(uri, { worker });
  assert.equal(await serverSockets(), 1);
  await assert.rejects(server.listen(uri, { worker }), /listened on in this worker already/);
  assert.equal(await serverSockets(), 1, 'what was refused is closed');

  await listener.close();
  const again = await server.listen(uri, { worker });
  assert.ok(again.port > 0);
});

test('a server that is closed makes way for another one on the same port of a worker', async () => {
  const worker = portWorker();
  assert.ok(worker);
  for (let i = 0; i < 2; i++) {
    await using server = new Server();
    await server.listen('coap+tcp://127.0.0.1:0', { worker });
  }
});
