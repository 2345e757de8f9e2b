/** OSCORE on a port of several workers (RFC 8613): worker 0 has the contexts, whichever worker a message comes to. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  Client,
  type ClientOptions,
  OscoreContext,
  OscoreContexts,
  type Response,
  startWorkers,
} from '../../src/index.ts';
import { Memory } from './memory.ts';
import { listenAsWorker, ownedServer } from './owned-app.ts';

const masterSecret = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex');
const psk = { identity: 'sensor-042', key: new TextEncoder().encode('MySecret16ByteK!') };

function contextFor(senderId: number, recipientId: number): Promise<OscoreContext> {
  const ids = { senderId: Uint8Array.of(senderId), recipientId: Uint8Array.of(recipientId) };
  return OscoreContext.open({ masterSecret, ...ids, store: new Memory(), firstUse: true });
}

interface Started {
  readonly uris: readonly string[];
  /** A client with a context of its own whose datagrams a certain worker gets. */
  clientAt(uri: string, worker: number): Promise<Client>;
}

async function start(t: TestContext): Promise<Started> {
  const contexts = new OscoreContexts();
  let devices = 0;
  const workers = await startWorkers(new URL('./owned-app.ts', import.meta.url), {
    count: 2,
    first: (worker) => listenAsWorker(ownedServer(worker), worker, contexts),
  });
  t.after(() => workers.close());
  // Where a request without OSCORE arrives; both clients of a pair use one port.
  const clientAt = async (uri: string, worker: number): Promise<Client> => {
    for (;;) {
      const id = ++devices;
      contexts.add(await contextFor(0, id));
      const oscore = await contextFor(id, 0);
      const options: ClientOptions = { psk };
      const client = new Client(options);
      const isThere = (await client.get(`${uri}/worker`)).text() === String(worker);
      if (!isThere) {
        await client.close();
        continue;
      }
      t.after(() => client.close());
      contextOf.set(client, oscore);
      return client;
    }
  };
  return { uris: workers.listeners.map(({ openUri }) => openUri), clientAt };
}

const contextOf = new WeakMap<Client, OscoreContext>();

/** The context of a client, for each of its requests that are to be protected. */
function protectedBy(client: Client): { readonly oscore: OscoreContext } {
  const oscore = contextOf.get(client);
  assert.ok(oscore);
  return { oscore };
}

async function nextOf(states: AsyncIterator<Response>): Promise<string> {
  const { value } = await states.next();
  return value.text();
}

test('a request under OSCORE is answered by worker 0 over the same port and association, whichever worker it comes to', async (t) => {
  const { uris, clientAt } = await start(t);
  for (const uri of uris) {
    const security = uri.startsWith('coaps') ? 'dtls' : 'none';
    for (const worker of [0, 1]) {
      const client = await clientAt(uri, worker);
      const oscore = protectedBy(client);
      for (let i = 0; i < 3; i++) {
        assert.equal((await client.get(`${uri}/who`, oscore)).text(), `0 ${security} true`);
        // What is not protected stays where it came to.
        assert.equal((await client.get(`${uri}/who`)).text(), `${worker} ${security} false`);
      }
      assert.equal((await client.get(`${uri}/large`, oscore)).text(), 'A'.repeat(5000), 'in blocks');
    }
  }
});

test('observers under OSCORE at every worker are told of changes, and acknowledge what worker 0 sends them', async (t) => {
  const { uris, clientAt } = await start(t);
  for (const uri of uris) {
    const security = uri.startsWith('coaps') ? 'dtls' : 'none';
    const clients = await Promise.all([0, 1].map((worker) => clientAt(uri, worker)));
    const observers = await Promise.all(
      clients.map(async (client) => {
        const states = client.observe(`${uri}/who`, protectedBy(client))[Symbol.asyncIterator]();
        assert.equal(await nextOf(states), `0 ${security} true`);
        return states;
      }),
    );
    // More than five: some notifications are Confirmable (RFC 7641 §4.5).
    for (let i = 0; i < 8; i++) {
      await clients[i % 2]?.put(`${uri}/who`, i % 3 === 0 ? {} : protectedBy(clients[i % 2] as Client));
      for (const states of observers) assert.equal(await nextOf(states), `0 ${security} true`);
    }
    for (const states of observers) await states.return?.();
  }
});
