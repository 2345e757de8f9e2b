/** What one worker has for all, and a main thread that is worker 0 itself (docs/workers.md). */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { isRequestCode } from '../../src/core/coap/code.ts';
import { decodeMessage, encodeMessage, isDecodeFault } from '../../src/core/coap/message-codec.ts';
import { OptionSet } from '../../src/core/coap/option-set.ts';
import { noBytes } from '../../src/core/foundation/bytes.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/core/foundation/utf8.ts';
import { Client, Code, OptionNumber, type Server, startWorkers } from '../../src/index.ts';
import { listenAsWorker, ownedServer, slow } from './owned-app.ts';

const psk = { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') };

interface Started {
  readonly coap: string;
  readonly coaps: string;
  readonly notices: readonly string[];
  /** What workers said over their ports. */
  readonly said: readonly unknown[];
  /** That of worker 0. */
  readonly server: Server;
}

async function start(t: TestContext): Promise<Started> {
  const notices: string[] = [];
  const said: unknown[] = [];
  let server: Server | undefined;
  const workers = await startWorkers(new URL('./owned-app.ts', import.meta.url), {
    count: 2,
    first: (worker) => {
      server = ownedServer(worker);
      return listenAsWorker(server, worker);
    },
    onBegin: (index, port) => {
      void once(port, 'message').then(([message]) => {
        said.push([index, message]);
        port.close();
      });
    },
    onNotice: (notice) => notices.push(notice),
  });
  t.after(() => workers.close());
  const [coap, coaps] = workers.listeners;
  assert.ok(coap && coaps && server);
  return { coap: coap.openUri, coaps: coaps.openUri, notices, said, server };
}

/** A client whose requests a certain worker gets. */
async function clientAt(t: TestContext, uri: string, worker: number): Promise<Client> {
  for (;;) {
    const client = new Client({ psk });
    const isThere = (await client.get(`${uri}/worker`)).text() === String(worker);
    if (!isThere) {
      await client.close();
      continue;
    }
    t.after(() => client.close());
    return client;
  }
}

test('what one worker has for all is the same whichever worker is asked, and its observers at each are told', async (t) => {
  const { coap, coaps } = await start(t);
  for (const [uri, security] of [
    [coap, 'none'],
    [coaps, 'dtls'],
  ] as const) {
    const clients = await Promise.all([0, 1].map((worker) => clientAt(t, uri, worker)));
    const observers = await Promise.all(
      clients.map(async (client) => {
        const states = client.observe(`${uri}/state`)[Symbol.asyncIterator]();
        await states.next();
        return states;
      }),
    );
    for (const [i, client] of clients.entries()) {
      await client.put(`${uri}/state`, { payload: `${security} ${i}` });
      for (const observer of observers) {
        const { value } = await observer.next();
        assert.equal(value?.text(), `${security} ${i} in 0 for ${security}`);
      }
      for (const other of clients) {
        assert.equal((await other.get(`${uri}/state`)).text(), `${security} ${i} in 0 for ${security}`);
      }
    }
  }
});

test('bodies go to the owner and back as they come', async (t) => {
  const { coap } = await start(t);
  for (const worker of [0, 1]) {
    const client = await clientAt(t, coap, worker);
    const response = await client.post(`${coap}/upper`, { payload: 'a'.repeat(40_000) });
    assert.equal(response.text(), 'A'.repeat(40_000));
  }
});

test('a body of the owner that cannot be read is 5.00 to whoever asked, and is closed', async (t) => {
  const { coap } = await start(t);
  const client = await clientAt(t, coap, 1);
  assert.equal((await client.get(`${coap}/unreadable`)).code, Code.InternalServerError);
  assert.equal((await client.post(`${coap}/unreadable`)).text(), '1');
});

test('a body of the owner for which nobody waits any more is closed', async (t) => {
  const { coap, coaps } = await start(t);
  const gone = await clientAt(t, coaps, 1);
  const asked = assert.rejects(gone.get(`${coaps}/late`));
  await gone.get(`${coaps}/worker`);
  await gone.close();
  await asked;
  const client = await clientAt(t, coap, 1);
  let closed = '0';
  for (let i = 0; i < 1000 && closed === '0'; i++) closed = (await client.post(`${coap}/unreadable`)).text();
  assert.equal(closed, '1');
});

test('what a handler throws at the owner is 5.00 to whoever asked', async (t) => {
  const { coap } = await start(t);
  const client = await clientAt(t, coap, 1);
  assert.equal((await client.get(`${coap}/wrong`)).code, Code.InternalServerError);
});

test('a thread that ends is replaced beside the main thread, asks the same owner, and has a port of its own', async (t) => {
  const { coap, notices, said } = await start(t);
  const client = await clientAt(t, coap, 1);
  await client.put(`${coap}/state`, { payload: 'before' });
  await client.post(`${coap}/end`, { timeoutMs: 500 }).catch(() => undefined);
  const next = await clientAt(t, coap, 1);
  assert.equal((await next.get(`${coap}/state`)).text(), 'before in 0 for none');
  assert.match(notices.join(), /^worker 1 ended and is replaced: .*exit code 3$/);
  assert.deepEqual(said, [
    [1, 'worker 1 is there'],
    [1, 'worker 1 is there'],
  ]);
});

/** A device that asks and answers on one socket. */
class Device {
  readonly #socket = createSocket('udp4');
  readonly #port: number;
  #messageId = 0;

  constructor(t: TestContext, uri: string) {
    this.#port = Number(new URL(uri.replace('coap', 'http')).port);
    t.after(() => this.#socket.close());
  }

  /** The payload of the answer to a request; requests that come before are answered with `device`. */
  async ask(code: number, path: string): Promise<string> {
    const token = Uint8Array.of(++this.#messageId);
    const options = OptionSet.from([{ number: OptionNumber.UriPath, value: path }]);
    this.#send({ type: 'CON', code, messageId: this.#messageId, token, options, payload: noBytes });
    for (;;) {
      const [datagram] = (await once(this.#socket, 'message')) as [Buffer];
      const message = decodeMessage(new Uint8Array(datagram));
      assert.ok(!isDecodeFault(message));
      const { messageId } = message;
      if (isRequestCode(message.code)) {
        const payload = encodeUtf8('device');
        const answer = { options: new OptionSet(), payload, token: message.token, messageId };
        this.#send({ ...answer, type: message.type === 'CON' ? 'ACK' : 'NON', code: Code.Content });
      } else if (message.code !== Code.Empty) return decodeUtf8(message.payload) ?? '';
    }
  }

  #send(message: Parameters<typeof encodeMessage>[0]): void {
    this.#socket.send(encodeMessage(message), this.#port, '127.0.0.1');
  }
}

test('the owner can ask the sender of a request that came to another worker', async (t) => {
  const { coap } = await start(t);
  const workers = new Set<string>();
  while (workers.size < 2) {
    const device = new Device(t, coap);
    workers.add(await device.ask(Code.Get, 'worker'));
    assert.equal(await device.ask(Code.Post, 'call-home'), 'device');
  }
});

test('a registration at another worker is no refresh where it is served: what goes by what clients send counts it', async (t) => {
  const { coaps } = await start(t);
  for (const worker of [0, 1]) {
    const client = await clientAt(t, coaps, worker);
    assert.equal((await client.get(`${coaps}/how`)).text(), 'false false');
    const states = client.observe(`${coaps}/how`)[Symbol.asyncIterator]();
    assert.equal((await states.next()).value?.text(), 'true false', `worker ${worker}`);
    const next = states.next();
    await client.put(`${coaps}/how`);
    assert.equal((await next).value?.text(), 'true true', `worker ${worker}`);
    await states.return?.();
  }
});

test('what worker 0 is still at work on for others is answered when the workers close', async (t) => {
  const workers = await startWorkers(new URL('./owned-app.ts', import.meta.url), {
    count: 2,
    first: (worker) => listenAsWorker(ownedServer(worker), worker),
  });
  const coaps = workers.listeners[1]?.openUri ?? '';
  const client = await clientAt(t, coaps, 1);
  const begun = once(slow, 'begun');
  const asked = client.get(`${coaps}/slow`);
  await begun;
  const closed = workers.close();
  slow.emit('go');
  assert.equal((await asked).text(), 'at last');
  await closed;
});

test('when the server of worker 0 alone is closed, what is for it is 5.03 at once', async (t) => {
  const { coap, server } = await start(t);
  const client = await clientAt(t, coap, 1);
  const begun = once(slow, 'begun');
  const asked = client.get(`${coap}/slow`);
  await begun;
  await server.close();
  slow.emit('go');
  assert.equal((await asked).codeText, '5.03');
  // The client leaves a server alone that has said so (RFC 7252 §5.9.3.4): another one asks.
  const other = await clientAt(t, coap, 1);
  assert.equal((await other.get(`${coap}/state`)).codeText, '5.03');
});

test('a body that the owner gives after its server was closed is closed unread', async (t) => {
  const { coap, server } = await start(t);
  const client = await clientAt(t, coap, 1);
  const begun = once(slow, 'begun');
  const asked = client.get(`${coap}/slow-body`);
  await begun;
  await server.close();
  assert.equal((await asked).codeText, '5.03');
  const closed = once(slow, 'closed');
  slow.emit('go');
  await closed;
});

test('when another thread takes the place of worker 0, observers elsewhere hear from it once its server is there', async (t) => {
  const workers = await startWorkers(new URL('./owned-app.ts', import.meta.url), { count: 2 });
  t.after(() => workers.close());
  const coaps = workers.listeners[1]?.openUri ?? '';
  const client = await clientAt(t, coaps, 1);
  const states = client.observe(`${coaps}/state`)[Symbol.asyncIterator]();
  await states.next();
  const second = states.next();
  await client.put(`${coaps}/state`, { payload: 'second' });
  assert.equal((await second).value?.text(), 'second in 0 for dtls');
  const third = states.next();
  assert.equal((await client.post(`${coaps}/end-owner`)).codeText, '5.03');
  // It knows nothing of what the one before was told.
  assert.equal((await third).value?.text(), 'first in 0 for dtls');
});

test('at the owner, too, the first request of an observer is one that was sent, and the others are not', async (t) => {
  const { coaps } = await start(t);
  for (const worker of [0, 1]) {
    const client = await clientAt(t, coaps, worker);
    const states = client.observe(`${coaps}/refresh`)[Symbol.asyncIterator]();
    assert.equal((await states.next()).value?.text(), 'false');
    await client.put(`${coaps}/refresh`);
    assert.equal((await states.next()).value?.text(), 'true');
    await states.return?.();
  }
});

test('who asks a sender that its worker does not know any more is told that nothing was sent', async (t) => {
  const { coap } = await start(t);
  const client = await clientAt(t, coap, 1);
  await client.post(`${coap}/note`);
  for (let n = 0; n < 101; n++) await client.post(`${coap}/unreadable`);
  assert.equal((await client.get(`${coap}/note`)).text(), 'ERR_ASSOCIATION_CLOSED false');
});
