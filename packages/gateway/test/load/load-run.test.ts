import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadClient, LoadEvents } from '../../src/load/load-client.ts';
import { type LoadPlan, LoadRun } from '../../src/load/load-run.ts';

const plan: LoadPlan = {
  clients: 3,
  seconds: 0.2,
  warmUpSeconds: 0,
  rate: undefined,
  timeoutMs: 10_000,
  repeatAfterMs: 2000,
  openAtOnce: 2,
};

/** Clients whose requests are answered by `answer`, and what was done with them. */
class Clients {
  opened = 0;
  closed = 0;
  requests = 0;
  repeats = 0;
  readonly #answer: (events: LoadEvents, isRepeat: boolean) => void;
  readonly #life: number;

  constructor(answer: (events: LoadEvents, isRepeat: boolean) => void, life = Infinity) {
    this.#answer = answer;
    this.#life = life;
  }

  readonly open = async (events: LoadEvents): Promise<LoadClient> => {
    this.opened++;
    let left = this.#life;
    return {
      get isUsedUp() {
        return left <= 0;
      },
      handshakeMs: 5,
      request: () => {
        left--;
        this.requests++;
        this.#answer(events, false);
      },
      repeat: () => {
        this.repeats++;
        this.#answer(events, true);
      },
      close: async () => {
        this.closed++;
      },
    };
  };
}

const soon = (events: LoadEvents): void => void setImmediate(() => events.answered(69));
const running = (): AbortSignal => new AbortController().signal;

test('a closed loop asks again when it is answered, counts codes, and closes its clients', async () => {
  const clients = new Clients(soon);
  const result = await new LoadRun(plan, clients.open).run(running());
  assert.deepEqual([clients.opened, clients.closed], [3, 3]);
  assert.ok(result.latencies.count > 3);
  assert.deepEqual([...result.codes], [[69, result.latencies.count]]);
  assert.deepEqual([...result.failures], []);
  assert.equal(result.handshakes.count, 3);
});

test('a client that is used up is replaced by a new one', async () => {
  const clients = new Clients(soon, 10);
  const result = await new LoadRun(plan, clients.open).run(running());
  assert.ok(clients.opened > 3);
  assert.ok(clients.requests <= 10 * clients.opened);
  assert.equal(clients.closed, clients.opened);
  assert.equal(result.handshakes.count, clients.opened);
});

test('a request that is not answered is repeated, and its answer counts once', async () => {
  const clients = new Clients((events, isRepeat) => {
    if (isRepeat) soon(events);
  });
  const result = await new LoadRun({ ...plan, seconds: 0.4, repeatAfterMs: 10 }, clients.open).run(running());
  assert.ok(result.repeated > 0);
  assert.equal(result.repeated, clients.repeats);
  assert.ok(result.latencies.count <= clients.requests);
});

test('a request that was acknowledged is not repeated, and one without an answer is lost', async () => {
  const clients = new Clients((events) => events.acknowledged());
  const result = await new LoadRun(
    { ...plan, seconds: 0.4, repeatAfterMs: 10, timeoutMs: 100 },
    clients.open,
  ).run(running());
  assert.equal(clients.repeats, 0);
  assert.equal(result.latencies.count, 0);
  assert.ok((result.failures.get('no answer') ?? 0) >= 3);
});

test('an open loop owes what nobody was free for, and charges the wait to the latency', async () => {
  const silent = await new LoadRun({ ...plan, rate: 1000 }, new Clients(() => {}).open).run(running());
  // Three are under way.
  assert.ok(silent.unsent > 0);
  assert.equal(silent.latencies.count, 0);

  const slow = new Clients((events) => void setTimeout(() => events.answered(69), 20));
  const result = await new LoadRun({ ...plan, rate: 1000 }, slow.open).run(running());
  assert.ok(result.latencies.maxMs > 30, 'each of three clients takes 20 ms for what is due every 3');
});

test('an abort ends it early with what there is', async () => {
  const abort = new AbortController();
  const run = new LoadRun({ ...plan, seconds: 1000 }, new Clients(soon).open);
  const result = await run.run(abort.signal, () => setImmediate(() => abort.abort()));
  assert.ok(result.seconds < 1000);
});

test('a client that cannot be made ends the run with its error, and the others are closed', async () => {
  const clients = new Clients(soon);
  const open = async (events: LoadEvents): Promise<LoadClient> => {
    if (clients.opened === 2) throw new Error('no more');
    return clients.open(events);
  };
  await assert.rejects(new LoadRun(plan, open).run(running()), /no more/);
  assert.equal(clients.closed, 2);
});

test('a client that is still being made when another one cannot be is closed too, and no more are begun', async () => {
  const clients = new Clients(soon);
  const slow = Promise.withResolvers<void>();
  let begun = 0;
  const open = async (events: LoadEvents): Promise<LoadClient> => {
    if (++begun === 2) {
      setImmediate(slow.resolve);
      throw new Error('no more');
    }
    await slow.promise;
    return clients.open(events);
  };
  await assert.rejects(new LoadRun(plan, open).run(running()), /no more/);
  assert.deepEqual([begun, clients.opened, clients.closed], [2, 1, 1]);
});

test('a client that takes the place of another when the time is over is closed too', async () => {
  const clients = new Clients(soon, 1);
  const over = Promise.withResolvers<void>();
  let begun = 0;
  const open = async (events: LoadEvents): Promise<LoadClient> => {
    if (++begun > plan.clients) await over.promise;
    return clients.open(events);
  };
  await new LoadRun(plan, open).run(running());
  assert.deepEqual([begun, clients.opened, clients.closed], [6, 3, 3]);
  over.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([clients.opened, clients.closed], [6, 6]);
});
