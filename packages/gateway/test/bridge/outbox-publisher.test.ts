import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OutboxPublisher } from '../../src/bridge/outbox-publisher.ts';
import type { OutboxEntry } from '../../src/store/outbox-table.ts';

/** An outbox in memory, a broker that acknowledges when the test wants, and a timer that the test fires. */
class TestBroker {
  readonly stored = new Map<number, OutboxEntry>();
  readonly received: number[] = [];
  readonly #waiting: { readonly id: number; readonly settle: (fault?: Error) => void }[] = [];
  readonly #timers = new Set<() => void>();
  readonly errors: unknown[] = [];
  fault: Error | undefined;
  #next = 1;
  publisher = this.newPublisher();

  newPublisher(): OutboxPublisher {
    return new OutboxPublisher({
      outbox: {
        outbox: async ({ alertsAfter, after, limit }) => {
          if (this.fault) throw this.fault;
          const all = [...this.stored.values()];
          const alerts = all.filter(({ id, isAlert }) => isAlert && id > alertsAfter);
          const others = all.filter(({ id, isAlert }) => !isAlert && id > after);
          return [...alerts, ...others].slice(0, limit);
        },
        removeFromOutbox: async (sent) => {
          if (this.fault) throw this.fault;
          for (const id of sent) this.stored.delete(id);
        },
      },
      publish: ({ id }) => {
        this.received.push(id);
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        this.#waiting.push({ id, settle: (fault) => (fault ? reject(fault) : resolve()) });
        return promise;
      },
      timer: {
        now: () => 0,
        after: (_delay, action) => {
          this.#timers.add(action);
          return () => this.#timers.delete(action);
        },
      },
      onError: (error) => this.errors.push(error),
    });
  }

  store(count = 1, isAlert = false): void {
    for (let n = 0; n < count; n++) {
      const id = this.#next++;
      const reading = {
        path: `/r/${id}`,
        value: new Uint8Array(),
        contentFormat: undefined,
        identity: 'a',
        receivedAtMs: id,
      };
      this.stored.set(id, { id, isAlert, reading });
    }
    this.publisher.wake();
  }

  get inFlight(): number {
    return this.#waiting.length;
  }

  /** The broker acknowledges, or refuses, the oldest of what it got. */
  settle(count: number, fault?: Error): void {
    for (const { settle } of this.#waiting.splice(0, count)) settle(fault);
  }

  /** The process dies: what it had in flight is nobody's. */
  crash(): void {
    this.#waiting.length = 0;
    this.#timers.clear();
    this.publisher = this.newPublisher();
  }

  fire(): void {
    for (const action of [...this.#timers]) {
      this.#timers.delete(action);
      action();
    }
  }

  async idle(): Promise<void> {
    for (let n = 0; n < 20; n++) await Promise.resolve();
  }
}

test('readings go in their order, and out of the outbox with their acknowledgement', async () => {
  const broker = new TestBroker();
  broker.store(3);
  await broker.idle();
  assert.deepEqual(broker.received, [], 'not before the broker is there');
  broker.publisher.open();
  await broker.idle();
  assert.deepEqual([broker.received, broker.stored.size], [[1, 2, 3], 3]);
  broker.settle(2);
  await broker.idle();
  assert.deepEqual([...broker.stored.keys()], [3]);
});

test('a window of the outbox is given, however many wait', async () => {
  const broker = new TestBroker();
  broker.store(1000);
  broker.publisher.open();
  await broker.idle();
  assert.equal(broker.inFlight, 256);
  while (broker.stored.size > 0) {
    broker.settle(100);
    await broker.idle();
    assert.ok(broker.inFlight <= 256);
  }
  assert.deepEqual(
    broker.received,
    Array.from({ length: 1000 }, (_, index) => index + 1),
  );
});

test('after an outage alerts go first, and alerts and others each in their order', async () => {
  const broker = new TestBroker();
  broker.store(300);
  broker.store(2, true);
  broker.store(1);
  broker.store(1, true);
  broker.publisher.open(10);
  await broker.idle();
  assert.deepEqual(broker.received, [301, 302, 304, 1, 2, 3, 4, 5, 6, 7]);
  broker.store(1, true);
  while (broker.stored.size > 0) {
    broker.settle(5);
    await broker.idle();
  }
  assert.equal(broker.received[10], 305, 'one that comes while others go overtakes those that wait');
  const others = broker.received.filter((id) => ![301, 302, 304, 305].includes(id));
  assert.deepEqual(others, [...Array.from({ length: 300 }, (_, index) => index + 1), 303]);
});

test('while the broker is away nothing is given; what was under way is not given twice', async () => {
  const broker = new TestBroker();
  broker.publisher.open();
  broker.store(2);
  await broker.idle();
  broker.publisher.pause();
  broker.store(2);
  await broker.idle();
  assert.deepEqual(broker.received, [1, 2]);
  broker.publisher.open();
  await broker.idle();
  assert.deepEqual(broker.received, [1, 2, 3, 4]);
});

test('what was refused is given again, without what is under way', async () => {
  const broker = new TestBroker();
  broker.publisher.open();
  broker.store(3);
  await broker.idle();
  broker.settle(1, new Error('quota'));
  await broker.idle();
  assert.equal(broker.errors.length, 1);
  broker.fire();
  await broker.idle();
  assert.deepEqual(broker.received, [1, 2, 3, 1]);
  broker.settle(3);
  await broker.idle();
  assert.equal(broker.stored.size, 0);
});

test('a reading that is refused while the outbox is being read is not left behind', async () => {
  const broker = new TestBroker();
  broker.publisher.open();
  broker.store(300);
  await broker.idle();
  // Acknowledgements make it read on; before it has read, the first one comes back.
  broker.settle(1, new Error('quota'));
  broker.settle(200);
  await broker.idle();
  broker.fire();
  await broker.idle();
  while (broker.inFlight > 0) {
    broker.settle(256);
    await broker.idle();
  }
  assert.equal(broker.stored.size, 0);
  assert.equal(broker.received.filter((id) => id === 1).length, 2);
});

test('a broker that takes few messages at a time gets no more', async () => {
  const broker = new TestBroker();
  broker.store(100);
  broker.publisher.open(10);
  await broker.idle();
  assert.equal(broker.inFlight, 10);
  broker.settle(5);
  await broker.idle();
  assert.equal(broker.inFlight, 10);
});

test('a store that fails is asked again, and nothing is lost', async () => {
  const broker = new TestBroker();
  broker.publisher.open();
  broker.store(1);
  await broker.idle();
  broker.fault = new Error('disk full');
  broker.settle(1);
  broker.store(1);
  await broker.idle();
  assert.ok(broker.errors.length > 0);
  broker.fault = undefined;
  broker.fire();
  await broker.idle();
  assert.deepEqual([broker.received, [...broker.stored.keys()]], [[1, 2], [2]]);
});

test('its end waits until what was acknowledged is out of the outbox', async () => {
  const broker = new TestBroker();
  broker.publisher.open();
  broker.store(3);
  await broker.idle();
  broker.settle(1);
  broker.settle(2);
  await Promise.resolve();
  await broker.publisher.stop();
  assert.equal(broker.stored.size, 0);
});

test('over outages, refusals and crashes every reading reaches the broker at least once and leaves the outbox', async () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('store' as const),
      count: fc.integer({ min: 1, max: 300 }),
      isAlert: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('settle' as const), count: fc.integer({ min: 1, max: 300 }) }),
    fc.record({ kind: fc.constant('refuse' as const), count: fc.integer({ min: 1, max: 5 }) }),
    fc.record({
      kind: fc.constantFrom(
        'open' as const,
        'pause' as const,
        'crash' as const,
        'fault' as const,
        'mend' as const,
        'fire' as const,
      ),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const broker = new TestBroker();
      for (const one of steps) {
        if (one.kind === 'store') broker.store(one.count, one.isAlert);
        else if (one.kind === 'settle') broker.settle(one.count);
        else if (one.kind === 'refuse') broker.settle(one.count, new Error('refused'));
        else if (one.kind === 'crash') broker.crash();
        else if (one.kind === 'fault') broker.fault = new Error('disk');
        else if (one.kind === 'mend') broker.fault = undefined;
        else if (one.kind === 'fire') broker.fire();
        else broker.publisher[one.kind]();
        await broker.idle();
      }
      broker.fault = undefined;
      broker.publisher.open();
      for (let round = 0; round < 100 && broker.stored.size > 0; round++) {
        await broker.idle();
        broker.settle(256);
        await broker.idle();
        broker.fire();
      }
      assert.equal(broker.stored.size, 0);
    }),
    { numRuns: 60 },
  );
});

test('a broker that is gone for an hour gets all readings of that hour, in order and once, and costs no attempt meanwhile', async () => {
  const broker = new TestBroker();
  broker.publisher.open();
  broker.store(1);
  await broker.idle();
  broker.settle(1);
  await broker.idle();
  broker.publisher.pause();
  for (let second = 0; second < 3600; second++) {
    broker.store(1);
    await broker.idle();
    broker.fire();
  }
  assert.deepEqual([broker.received.length, broker.inFlight, broker.errors.length], [1, 0, 0]);
  broker.publisher.open();
  for (let most = 0; broker.stored.size > 0; ) {
    await broker.idle();
    most = Math.max(most, broker.inFlight);
    assert.ok(most <= 256, 'memory is bounded');
    broker.settle(most);
    await broker.idle();
  }
  assert.deepEqual(
    broker.received,
    Array.from({ length: 3601 }, (_, index) => index + 1),
  );
});
