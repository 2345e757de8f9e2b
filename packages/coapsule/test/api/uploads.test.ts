/** Uploads that break off and go on, and bodies that can be read once only (RFC 7959, RFC 9175), over sockets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Client,
  type ClientOptions,
  CoapsuleError,
  Code,
  changed,
  type Request,
  Server,
} from '../../src/index.ts';
import { decodeMessage, isDecodeFault, OptionNumber } from '../../src/message.ts';
import { LinkRelay } from '../../src/testing/index.ts';

const bounded = { timeout: 60_000 };
const body = Uint8Array.from({ length: 40_000 }, (_, index) => (index * 2654435761) >>> 24);
const lastBlock = Math.ceil(body.length / 1024) - 1;
/** A client that gives up soon: nothing on loopback takes as long. */
const impatient: ClientOptions = {
  transmission: { ackTimeoutMs: 200, ackRandomFactor: 1, maxRetransmit: 1 },
};

async function* chunks(pulled?: () => void): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < body.length; offset += 3000) {
    pulled?.();
    yield body.subarray(offset, offset + 3000);
  }
}

/** The number in the Block1 option of a datagram that has one. */
function blockOf(datagram: Uint8Array): number | undefined {
  const message = decodeMessage(datagram.slice());
  const block = isDecodeFault(message) ? undefined : message.options.uint(OptionNumber.Block1);
  return block === undefined ? undefined : block >> 4;
}

interface Stage {
  readonly client: Client;
  readonly uri: string;
  readonly served: Request[];
  /** Block numbers that reached the server, in order. */
  readonly blocks: number[];
  readonly relay: LinkRelay;
}

/** A server behind a relay, and an impatient client before it. */
async function onStage(use: (stage: Stage) => Promise<void>): Promise<void> {
  const served: Request[] = [];
  const blocks: number[] = [];
  await using server = new Server();
  server.resource('/firmware', {
    put: (request) => {
      served.push(request);
      return changed();
    },
  });
  const listener = await server.listen('coap://127.0.0.1:0', {
    capture: ({ direction, datagram }) => {
      const block = direction === 'received' ? blockOf(datagram) : undefined;
      if (block !== undefined) blocks.push(block);
    },
  });
  await using relay = await LinkRelay.open({ server: { port: listener.port }, conditions: { delayMs: 0 } });
  await using client = new Client(impatient);
  await use({ client, uri: `coap://127.0.0.1:${relay.port}/firmware`, served, blocks, relay });
}

/** The link is down from the answer to this block on, until `up` is called. */
function cut(relay: LinkRelay, block: number): { up: () => void; dropped: () => number } {
  let dropped = 0;
  let isDown = false;
  relay.network.hook = ({ datagram }) => {
    if (blockOf(datagram) === block && datagram.length < 50) isDown = true;
    if (!isDown) return undefined;
    dropped++;
    return { kind: 'drop' };
  };
  return {
    up: () => {
      relay.network.hook = undefined;
    },
    dropped: () => dropped,
  };
}

test(
  'an upload whose link broke goes on with the block that was not acknowledged, in a request of its own',
  bounded,
  async () => {
    await onStage(async ({ client, uri, served, blocks, relay }) => {
      const link = cut(relay, 25);
      const error = await client.put(uri, { payload: body, resumable: 0 }).catch((cause: unknown) => cause);
      assert.ok(error instanceof CoapsuleError);
      assert.equal(error.code, 'ERR_TIMEOUT');
      assert.equal(error.upload?.nextByte, 25 * 1024);
      link.up();
      blocks.length = 0;
      const response = await client.put(uri, { payload: body, resumeFrom: error.upload });
      assert.equal(response.code, Code.Changed);
      assert.deepEqual(
        blocks,
        Array.from({ length: lastBlock - 24 }, (_, index) => 25 + index),
      );
      assert.deepEqual(
        served.map(({ payload }) => payload),
        [body],
        'once, and whole',
      );
    });
  },
);

test('resumable lets the client do so by itself, and no more often than it says', bounded, async () => {
  await onStage(async ({ client, uri, served, blocks, relay }) => {
    const link = cut(relay, 25);
    const error = await client.put(uri, { payload: body, resumable: 1 }).catch((cause: unknown) => cause);
    assert.ok(error instanceof CoapsuleError && error.upload !== undefined);
    assert.equal(blocks.filter((num) => num === 0).length, 1, 'it did not begin again');
    link.up();
    const second = cut(relay, 30);
    const sending = client.put(uri, { payload: body, resumable: 5, resumeFrom: error.upload });
    // Up again as soon as the second attempt knocks.
    const hook = relay.network.hook;
    relay.network.hook = (datagram) => {
      if (second.dropped() >= 3) second.up();
      return hook?.(datagram);
    };
    assert.equal((await sending).code, Code.Changed);
    assert.deepEqual(
      served.map(({ payload }) => payload),
      [body],
    );
  });
});

test(
  'a generator is not begun again by itself; a new one goes on where the first one stopped',
  bounded,
  async () => {
    await onStage(async ({ client, uri, served, blocks, relay }) => {
      const link = cut(relay, 25);
      const error = await client
        .put(uri, { payload: chunks(), resumable: 5 })
        .catch((cause: unknown) => cause);
      assert.ok(error instanceof CoapsuleError);
      assert.equal(error.upload?.nextByte, 25 * 1024);
      link.up();
      blocks.length = 0;
      assert.equal(
        (await client.put(uri, { payload: chunks(), resumeFrom: error.upload })).code,
        Code.Changed,
      );
      assert.equal(blocks[0], 25);
      assert.deepEqual(
        served.map(({ payload }) => payload),
        [body],
      );
    });
  },
);

for (const streamRequestBody of [false, true]) {
  test(
    `a generator goes to a resource that asks for fresh requests, read once: the refused block goes again with the Echo${streamRequestBody ? ', and is read as it comes' : ''}`,
    bounded,
    async () => {
      let runs = 0;
      const received: Uint8Array[] = [];
      await using server = new Server();
      server.resource('/lock', {
        freshWithinSeconds: 10,
        streamRequestBody,
        put: async (request) => {
          runs++;
          for await (const part of request.body) received.push(part);
          return changed();
        },
      });
      const listener = await server.listen('coap://127.0.0.1:0');
      await using client = new Client();
      let pulled = 0;
      const payload = chunks(() => pulled++);
      const response = await client.put(`coap://127.0.0.1:${listener.port}/lock`, { payload });
      assert.equal(response.code, Code.Changed);
      assert.deepEqual(Buffer.concat(received), Buffer.from(body));
      assert.deepEqual([runs, pulled], [1, Math.ceil(body.length / 3000)]);
    },
  );
}
