/** Bodies that are read as they are sent and written as they come, over sockets (RFC 7959). */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  type BodyInput,
  Client,
  Code,
  changed,
  content,
  failure,
  OptionNumber,
  type RandomAccessBody,
  Server,
} from 'coapsule';

const key = new TextEncoder().encode('MySecret16ByteK!');
const psk = { identity: 'sensor-042', key };
const lookup = new Map([['sensor-042', key]]);
const bounded = { timeout: 60_000 };

/** Bytes that tell where they stand, in chunks of odd sizes. */
async function* chunks(length: number, pulled: { bytes: number } = { bytes: 0 }): AsyncGenerator<Uint8Array> {
  for (let offset = 0, size = 1; offset < length; size = (size * 7 + 13) % 5000) {
    const chunk = bytesAt(offset, Math.min(size + 1, length - offset));
    offset += chunk.length;
    pulled.bytes = offset;
    yield chunk;
  }
}

function bytesAt(offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => ((offset + index) * 2654435761) >>> 24);
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function digestOf(
  body: AsyncIterable<Uint8Array>,
): Promise<{ readonly length: number; readonly digest: string }> {
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of body) {
    hash.update(chunk);
    length += chunk.length;
  }
  return { length, digest: hash.digest('hex') };
}

async function withServer(
  secure: boolean,
  use: (stage: { client: Client; uri: (path: string) => string; server: Server }) => Promise<void>,
  prepare: (server: Server) => void,
): Promise<void> {
  await using server = new Server({ onError: () => undefined });
  prepare(server);
  const scheme = secure ? 'coaps' : 'coap';
  const listener = await server.listen(`${scheme}://127.0.0.1:0`, secure ? { psk: { lookup } } : {});
  await using client = new Client(secure ? { psk } : {});
  await use({ client, server, uri: (path) => `${scheme}://127.0.0.1:${listener.port}${path}` });
}

const length = 300_001;
const whole = digest(bytesAt(0, length));

for (const secure of [false, true]) {
  test(
    `a generator goes up, is read as it comes, and one comes down, ${secure ? 'secured' : 'plain'}`,
    bounded,
    async () => {
      await withServer(
        secure,
        async ({ client, uri }) => {
          const response = await client.stream('PUT', uri('/firmware'), { payload: chunks(length) });
          assert.equal(response.code, Code.Changed);
          const down = await digestOf(response.body);
          assert.deepEqual(down, { length, digest: whole });
        },
        (server) => {
          server.resource('/firmware', {
            streamRequestBody: true,
            put: async (request) => {
              const up = await digestOf(request.body);
              assert.deepEqual(up, { length, digest: whole });
              return changed(chunks(length));
            },
          });
        },
      );
    },
  );
}

test(
  'a handler that does not stream gets a streamed upload whole, and a client that does not a streamed response',
  bounded,
  async () => {
    await withServer(
      false,
      async ({ client, uri }) => {
        const response = await client.put(uri('/r'), { payload: chunks(20_000) });
        assert.equal(digest(response.payload), digest(bytesAt(0, 20_000)));
        const small = await client.put(uri('/r'), { payload: ['a', 'b'] });
        assert.equal(small.text(), 'ab');
        const web = await client.put(uri('/r'), { payload: ReadableStream.from(chunks(3000)) });
        assert.equal(web.payload.length, 3000);
      },
      (server) => server.resource('/r', { put: (request) => changed([request.payload]) }),
    );
  },
);

test('a slow reader holds back the writer on the other end, both ways', bounded, async () => {
  const up = { bytes: 0 };
  const down = { bytes: 0 };
  let read: (() => void) | undefined;
  const halt = new Promise<void>((resolve) => {
    read = resolve;
  });
  await withServer(
    true, // with plain CoAP the first responses are short: the address is not verified
    async ({ client, uri, server: _ }) => {
      const put = client.put(uri('/slow'), { payload: chunks(100_000, up) });
      const streamed = await client.stream('GET', uri('/large'));
      const reader = streamed.body.getReader();
      assert.equal((await reader.read()).value?.length, 1024);
      // A request of its own, after which all that could have been asked for would have come.
      for (let i = 0; i < 3; i++) await client.get(uri('/.well-known/core'));
      assert.ok(up.bytes < 10_000, `${up.bytes} bytes were read of the upload`);
      assert.ok(down.bytes < 10_000, `${down.bytes} bytes were read of the download`);
      read?.();
      assert.equal((await put).code, Code.Changed);
      assert.equal(up.bytes, 100_000);
      await reader.cancel();
    },
    (server) =>
      server
        .resource('/slow', {
          streamRequestBody: true,
          put: async ({ body }) => {
            await halt;
            assert.equal((await digestOf(body)).length, 100_000);
            return changed();
          },
        })
        .resource('/large', { get: () => content(chunks(100_000, down)) }),
  );
});

test('one block of a body of random access is had alone, and says where it stands', bounded, async () => {
  const reads: number[] = [];
  let closed = 0;
  const file = (): RandomAccessBody => ({
    length: 1_000_000,
    read: async (offset, size) => {
      reads.push(offset);
      return bytesAt(offset, Math.min(size, 1_000_000 - offset));
    },
    close: () => {
      closed++;
    },
  });
  await withServer(
    true, // with plain CoAP the first responses are short: the address is not verified
    async ({ client, uri }) => {
      const response = await client.get(uri('/file'), { singleBlock: { num: 1000, size: 64 } });
      assert.deepEqual(response.payload, bytesAt(64_000, 64));
      assert.deepEqual(response.block, { num: 1000, more: true, size: 64 });
      assert.deepEqual(reads, [64_000]);
      const first = await client.get(uri('/file'), { singleBlock: { num: 0, size: 256 } });
      assert.deepEqual([first.payload.length, first.size], [256, 1_000_000]);
      const beyond = await client.get(uri('/file'), { singleBlock: { num: 20_000, size: 64 } });
      assert.equal(beyond.code, Code.BadRequest);
      const asked = [{ number: OptionNumber.Size2, value: 0 }];
      assert.equal((await client.get(uri('/small'), { options: asked })).size, 5);
    },
    (server) =>
      server
        .resource('/file', { get: () => content(file()) })
        .resource('/small', { get: () => content('small') }),
  );
  assert.equal(closed, 2, 'each body was closed: the third request was answered from the first one');
});

test(
  'a 50 KB body in one message is answered 4.13 with a block size, and then goes in blocks of it',
  bounded,
  async () => {
    const sizes: number[] = [];
    await using server = new Server();
    server.resource('/firmware', {
      maxPayloadBytes: 256,
      put: ({ payload }) => {
        assert.equal(digest(payload), digest(bytesAt(0, 50_000)));
        return changed();
      },
    });
    const listener = await server.listen('coap://127.0.0.1:0', {
      capture: ({ direction, datagram }) => {
        if (direction === 'received') sizes.push(datagram.length);
      },
    });
    await using client = new Client();
    const uri = `coap://127.0.0.1:${listener.port}/firmware`;
    const small = await client.put(uri, { payload: bytesAt(0, 1000) });
    assert.equal(
      small.code,
      Code.InternalServerError,
      'blocks of 256 bytes made a body that the handler does not take',
    );
    assert.equal(sizes.length, 5, 'one message that was refused, and four blocks');
    assert.equal((await client.put(uri, { payload: bytesAt(0, 50_000) })).code, Code.Changed);
  },
);

test(
  'the handler of a streamed upload hears when the client goes away, and an error of it ends the upload',
  bounded,
  async () => {
    let broken: unknown;
    let aborted: (() => void) | undefined;
    const handlerEnded = new Promise<void>((resolve) => {
      aborted = resolve;
    });
    await withServer(
      true,
      async ({ client, uri }) => {
        const refused = await client.put(uri('/refused'), { payload: chunks(50_000) });
        assert.equal(refused.code, Code.Forbidden);
        const abort = new AbortController();
        const sending = client.put(uri('/firmware'), { payload: endless(abort), signal: abort.signal });
        await assert.rejects(sending, { code: 'ERR_ABORTED' });
        await client.close();
        await handlerEnded;
        assert.equal((broken as { code?: string }).code, 'ERR_BLOCKWISE');
      },
      (server) =>
        server
          .resource('/refused', { streamRequestBody: true, put: () => failure(Code.Forbidden) })
          .resource('/firmware', {
            streamRequestBody: true,
            put: async ({ body }) => {
              try {
                await digestOf(body);
              } catch (error) {
                broken = error;
              }
              aborted?.();
              return changed();
            },
          }),
    );
  },
);

async function* endless(abort: AbortController): AsyncGenerator<Uint8Array> {
  for (let i = 0; ; i++) {
    if (i === 20) abort.abort();
    yield bytesAt(i, 1000);
  }
}

test(
  'a source that throws fails its request with the cause, and a response with it is answered 5.00',
  bounded,
  async () => {
    const trouble = new Error('the disk is gone');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield bytesAt(0, 10);
      throw trouble;
    }
    await withServer(
      false,
      async ({ client, uri }) => {
        await assert.rejects(client.put(uri('/r'), { payload: failing() }), {
          code: 'ERR_BLOCKWISE',
          cause: trouble,
        });
        assert.equal((await client.get(uri('/r'))).code, Code.InternalServerError);
        const once = chunks(10);
        await client.put(uri('/r'), { payload: once });
        await assert.rejects(client.put(uri('/r'), { payload: once }), { name: 'ApiMisuseError' });
        await assert.rejects(client.put(uri('/r'), { payload: 22.5 as unknown as BodyInput }), {
          name: 'ApiMisuseError',
        });
      },
      (server) => server.resource('/r', { put: () => changed(), get: () => content(failing()) }),
    );
  },
);

test('an observed resource with a streamed body notifies with all of it, over DTLS', bounded, async () => {
  let state = 1;
  await withServer(
    true,
    async ({ client, uri, server }) => {
      const seen: string[] = [];
      for await (const response of client.observe(uri('/config'))) {
        seen.push(digest(response.payload));
        if (state === 3) break;
        state++;
        server.notify('/config');
      }
      assert.deepEqual(
        seen,
        [1, 2, 3].map((s) => digest(bytesAt(s, 5000))),
      );
    },
    (server) => server.resource('/config', { observable: true, get: () => content([bytesAt(state, 5000)]) }),
  );
});

for (const scheme of ['coap', 'coaps', 'coap+tcp'] as const) {
  test(
    `notifications larger than a message are read as they come, whole ones too, and one body given up ends nothing, over ${scheme}`,
    bounded,
    async () => {
      let state = 1;
      let stateLength = 100_000;
      let pulled = 0;
      await using server = new Server();
      server.resource('/log', {
        observable: true,
        get: () => content(chunksFrom(state, stateLength, () => pulled++)),
      });
      const secure = scheme === 'coaps';
      const { uri } = await server.listen(`${scheme}://127.0.0.1:0`, secure ? { psk: { lookup } } : {});
      await using client = new Client(secure ? { psk } : {});
      const observation = client.observeStreamed(`${uri}/log`);
      const loop = observation[Symbol.asyncIterator]();
      const next = async () => {
        const { value } = await loop.next();
        assert.ok(value !== undefined);
        return value.body;
      };
      const change = (length: number): void => {
        state++;
        stateLength = length;
        server.notify('/log');
      };

      assert.equal((await digestOf(await next())).digest, digest(bytesAt(1, 100_000)));
      change(200_000);
      assert.equal((await digestOf(await next())).digest, digest(bytesAt(2, 200_000)));
      // One block is read, and then the resource changes: the rest does not come, the new state does.
      change(300_000);
      const reader = (await next()).getReader();
      await reader.read();
      const before = pulled;
      change(50_000);
      const superseded = (async () => {
        for (;;) if ((await reader.read()).done) return;
      })();
      await assert.rejects(superseded, { code: 'ERR_BLOCKWISE' });
      assert.ok(pulled - before < 100, 'the rest was not read at the server either');
      assert.equal((await digestOf(await next())).digest, digest(bytesAt(4, 50_000)));
      // A body that is not wanted.
      change(100_000);
      await (await next()).cancel();
      change(20);
      assert.equal((await digestOf(await next())).digest, digest(bytesAt(6, 20)), 'one in a single message');
      await observation.cancel();
      assert.equal((await loop.next()).done, true);
    },
  );
}

async function* chunksFrom(offset: number, length: number, pulled: () => void): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < length; at += 1000) {
    pulled();
    yield bytesAt(offset + at, Math.min(1000, length - at));
  }
}

test('streams go both ways over TCP', bounded, async () => {
  await using server = new Server({ onError: () => undefined });
  server.resource('/firmware', {
    streamRequestBody: true,
    put: async (request) => {
      assert.deepEqual(await digestOf(request.body), { length, digest: whole });
      return changed(chunks(length));
    },
  });
  const listener = await server.listen('coap+tcp://127.0.0.1:0');
  await using client = new Client();
  const uri = `coap+tcp://127.0.0.1:${listener.port}/firmware`;
  const response = await client.stream('PUT', uri, { payload: chunks(length) });
  assert.deepEqual(await digestOf(response.body), { length, digest: whole });
});
