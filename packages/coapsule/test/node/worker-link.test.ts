/** What one worker may have waiting at another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { type PortMessage, type ToWorker, WorkerLink } from '../../src/node/worker-link.ts';

const uri = 'coaps://127.0.0.1:5684';
const bound = { uri, openUri: uri, host: '127.0.0.1', port: 5684 };
const datagram: PortMessage = {
  kind: 'datagram',
  datagram: new Uint8Array(1200),
  host: '192.0.2.1',
  port: 40_000,
};

/** A worker's link, and the end from which it is told things. */
function linkOf(index: number) {
  const { port1: control, port2 } = new MessageChannel();
  const link = new WorkerLink({ index, count: 2, isReplacement: false, bound: [], control: port2 });
  return { link, control };
}

/** Resolves when it was told. */
async function introduce(
  { link, control }: ReturnType<typeof linkOf>,
  index: number,
  port: MessagePort,
  waiting: SharedArrayBuffer,
): Promise<void> {
  const told: readonly ToWorker[] = [
    { kind: 'introduce', index, port, waiting },
    { kind: 'bound', ...bound },
  ];
  for (const message of told) control.postMessage(message, message.kind === 'introduce' ? [port] : []);
  await link.awaitBound(uri);
}

test('what waits at a worker that is behind has a bound, beyond which datagrams are lost, but no change of a resource', async () => {
  const [from, to] = [linkOf(0), linkOf(1)];
  const { port1, port2 } = new MessageChannel();
  const waiting = new SharedArrayBuffer(8);
  await introduce(from, 1, port1, waiting);
  // Nobody reads at the other end yet.
  for (let i = 0; i < 10_000; i++) from.link.send(1, uri, datagram);
  const sent = 10_000 - from.link.lost;
  assert.ok(sent > 2000 && sent < 4000, `${sent} wait`);
  from.link.send(1, uri, { kind: 'notify', path: '/state' });

  const received: PortMessage[] = [];
  const seen = new Promise<void>((resolve) => {
    to.link.receive(uri, (message) => {
      received.push(message);
      if (message.kind === 'notify') resolve();
    });
  });
  await introduce(to, 0, port2, waiting);
  port2.ref();
  await seen;
  assert.equal(received.length, sent + 1);
  assert.deepEqual([...new Int32Array(waiting)], [0, 0]);

  const another = new Promise<PortMessage>((resolve) => {
    to.link.leave(uri);
    to.link.receive(uri, resolve);
  });
  from.link.send(1, uri, datagram);
  assert.equal((await another).kind, 'datagram', 'there is room again');
  assert.equal(from.link.lost, 10_000 - sent);
  for (const { control } of [from, to]) control.close();
});

test('a message that cannot be cloned throws, and counts as nothing that waits', async () => {
  const { link, control } = linkOf(0);
  const { port1 } = new MessageChannel();
  const waiting = new SharedArrayBuffer(8);
  await introduce({ link, control }, 1, port1, waiting);
  const message: PortMessage = { kind: 'owned', content: () => {}, length: 1000, isRefusable: true };
  for (let i = 0; i < 100; i++) assert.throws(() => link.send(1, uri, message), { name: 'DataCloneError' });
  assert.deepEqual([...new Int32Array(waiting)], [0, 0]);
  control.close();
  port1.close();
});

test('requests for another worker have the bound of datagrams, with their payloads', async () => {
  const { link, control } = linkOf(0);
  const { port1 } = new MessageChannel();
  await introduce({ link, control }, 1, port1, new SharedArrayBuffer(8));
  const ask: PortMessage = { kind: 'owned', content: {}, length: 1024 * 1024, isRefusable: true };
  const sent = [1, 2, 3, 4, 5].filter(() => link.send(1, uri, ask));
  assert.ok(sent.length >= 3 && sent.length < 5, `${sent.length} wait`);
  assert.ok(link.send(1, uri, { ...ask, isRefusable: false }), 'answers are not refused');
  control.close();
  port1.close();
});
