/** A gateway of several threads on one port (docs/workers.md): what is one for all, and what happens when a thread dies. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { Client, type ClientOptions, type Response } from 'coapsule';
import { openDatabase } from '../../src/store/database.ts';
import { DeviceTable } from '../../src/store/device-table.ts';
import { Store } from '../../src/store/store.ts';
import { StoreFault } from '../../src/store/store-fault.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

const key = new TextEncoder().encode('MySecret16ByteK!');
const psk = { identity: 'sensor-042', key };

/** A gateway with its threads. */
interface Threads {
  readonly gateway: TestGateway;
  /** Threads other than the main one that have begun, with the store's. */
  readonly workers: readonly Worker[];
}

async function start(t: TestContext, count = 2): Promise<Threads> {
  const workers: Worker[] = [];
  const begun = (worker: Worker): void => void workers.push(worker);
  process.on('worker', begun);
  t.after(() => process.off('worker', begun));
  const gateway = await startTestGateway(t, { workers: count, demo: true });
  return { gateway, workers };
}

/** Clients of ports of their own: the system gives each worker some of them. */
function clients(t: TestContext, count: number, options: ClientOptions = { psk }): readonly Client[] {
  return Array.from({ length: count }, () => {
    const client = new Client(options);
    t.after(() => client.close());
    return client;
  });
}

/** One of two workers gets each: that all go to one happens once in 2^15 runs. */
const many = 16;

test('the state of the demo is one for all workers, and their observers are told of each change', async (t) => {
  const { gateway } = await start(t);
  for (const uri of [gateway.coap, gateway.coaps]) {
    const all = clients(t, many);
    const observers = await Promise.all(
      all.map(async (client) => {
        const states = client.observe(`${uri}/light`)[Symbol.asyncIterator]();
        await states.next();
        return states;
      }),
    );
    for (const [i, client] of all.slice(0, 6).entries()) {
      const payload = `${uri} ${i}`;
      await client.put(`${uri}/light`, { payload });
      const told = await Promise.all(observers.map((states) => states.next()));
      for (const { value } of told) assert.equal((value as Response).text(), payload);
      for (const other of all) assert.equal((await other.get(`${uri}/light`)).text(), payload);
    }
    await Promise.all(observers.map((states) => states.return?.()));
  }
});

test('firmware and entries of a collection are one for all workers, whichever a device comes to', async (t) => {
  const { gateway } = await start(t);
  const { coaps } = gateway;
  const bytes = Uint8Array.from({ length: 50_000 }, (_, index) => (index * 2654435761) >>> 24);
  const all = clients(t, many);
  for (const [i, client] of all.slice(0, 6).entries()) {
    const put = await client.put(`${coaps}/firmware/x/${i}`, { payload: bytes.with(0, i) });
    assert.equal(put.codeText, '2.01');
    const made = await client.post(`${coaps}/sensors`, { payload: `${i}` });
    assert.equal(made.locationPath, `/sensors/${42 + i}`);
  }
  for (const client of all) {
    assert.deepEqual((await client.get(`${coaps}/firmware/x`)).payload, bytes.with(0, 5));
    assert.equal((await client.get(`${coaps}/sensors/44`)).text(), '2');
  }
  assert.equal((await all[0]?.delete(`${coaps}/sensors/44`))?.codeText, '2.02');
  for (const client of all) assert.equal((await client.get(`${coaps}/sensors/44`)).codeText, '4.04');
});

test('what one worker stores, all of them give, and their observers are told of it', async (t) => {
  const { gateway } = await start(t);
  const all = clients(t, many);
  const uri = `${gateway.coaps}/sensors/sensor-042`;
  await all[0]?.put(uri, { payload: 'first' });
  const observers = all.map((client) => client.observe(uri)[Symbol.asyncIterator]());
  for (const states of observers) assert.equal(((await states.next()).value as Response).text(), 'first');
  for (const [i, client] of all.slice(0, 6).entries()) {
    await client.put(uri, { payload: `${i}` });
    for (const states of observers) assert.equal(((await states.next()).value as Response).text(), `${i}`);
  }
});

test('the request log has a line for each request, whichever worker it came to', async (t) => {
  const { gateway } = await start(t);
  for (const client of clients(t, many)) await client.get(`${gateway.coap}/hello`);
  for (const client of clients(t, many)) await client.get(`${gateway.coap}/light`);
  for (const path of ['/hello', '/light']) {
    const lines = (): readonly string[] => gateway.log.lines.filter((line) => line.includes(`GET ${path} `));
    while (lines().length < many) await gateway.log.next();
    assert.equal(new Set(lines()).size, many, 'each is of another port');
    assert.equal(lines().length, many);
  }
});

test('a thread that dies is replaced, and its devices go on without a handshake', async (t) => {
  const { gateway, workers } = await start(t);
  const handshakes: unknown[] = [];
  const all = clients(t, many, {
    psk,
    trace: (event) => {
      if (event.kind === 'connected') handshakes.push(event);
    },
  });
  const uri = `${gateway.coaps}/sensors/sensor-042`;
  for (const client of all) await client.put(uri, { payload: 'before' });
  assert.equal(handshakes.length, many);
  const [, serving] = workers;
  assert.ok(serving);
  const gone = once(serving, 'exit');
  await serving.terminate();
  await gone;
  await gateway.log.waitFor(/worker 1 ended and is replaced/);
  for (const [i, client] of all.entries()) {
    await client.put(uri, { payload: `after ${i}` });
    assert.equal((await client.get(uri)).text(), `after ${i}`);
  }
  assert.equal(handshakes.length, many, 'no handshake but the first ones');
  await gateway.log.waitFor(/[1-9]\d* of \d+ secured associations go on without a handshake/);
});

test('a device that another process removes is out at every worker', async (t) => {
  const { gateway } = await start(t);
  const change = (work: (devices: DeviceTable) => void): void => {
    const opened = openDatabase(gateway.folder, { create: false, asGateway: false });
    work(new DeviceTable(opened));
    opened.close();
  };
  change((devices) =>
    devices.add({ id: 'sensor-7', credential: { kind: 'psk', key }, rules: [], addedAtMs: 1 }),
  );
  const all = clients(t, many, { psk: { identity: 'sensor-7', key } });
  for (const client of all) assert.equal((await client.get(`${gateway.coaps}/hello`)).code, 69);
  change((devices) => devices.remove('sensor-7'));
  const ended = (): number =>
    gateway.log.lines.filter((line) => /secured association with .* ended/.test(line)).length;
  while (ended() < many) await gateway.log.next();
});

test('associations are there again after a start with another number of workers', async (t) => {
  const handshakes: unknown[] = [];
  const all = clients(t, many, {
    psk,
    trace: (event) => {
      if (event.kind === 'connected') handshakes.push(event);
    },
  });
  const first = await startTestGateway(t, { workers: 1, demo: true });
  const { endpoints } = first.gateway;
  const port = Number(endpoints.coaps?.split(':').at(-1));
  for (const client of all) await client.get(`${first.coaps}/light`);
  await first.gateway.close();
  for (const workers of [3, 2, 1]) {
    const next = await startTestGateway(t, {
      ...{ workers, demo: true, dataFolder: first.folder },
      coaps: { host: '127.0.0.1', port },
    });
    for (const client of all) await client.get(`${next.coaps}/light`);
    await next.gateway.close();
  }
  assert.equal(handshakes.length, many);
});

test('a worker that gets no store ends the start, with the cause in the log, and nothing is left waiting', async (t) => {
  const fault = new StoreFault('failed', 'no port for it', 'see the cause');
  t.mock.method(Store.prototype, 'clientPort', () => Promise.reject(fault), { times: 1 });
  await assert.rejects(start(t), /has nothing to begin with/);
});

test('a worker that is replaced and gets no store ends, and is replaced again', async (t) => {
  const { gateway, workers } = await start(t);
  const fault = new StoreFault('failed', 'no port for it', 'see the cause');
  t.mock.method(Store.prototype, 'clientPort', () => Promise.reject(fault), { times: 1 });
  const begun = workers.length;
  await workers[begun - 1]?.terminate();
  await gateway.log.waitFor(/^worker 1 gets no store: no port for it; see the cause$/);
  await gateway.log.waitFor(/^worker 1 ended and is replaced: worker 0 has nothing to begin with$/);
  assert.equal(workers.length, begun + 1);
});
