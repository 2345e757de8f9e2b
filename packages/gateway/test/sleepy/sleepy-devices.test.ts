/** Devices that sleep, on a clock that the test moves: what is answered for them, and when commands reach them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CoapsuleError, Code, type Method, OptionNumber, type Response } from 'coapsule';
import { OptionSet } from 'coapsule/message';
import type { Representation, SleepyChange, SleepyCommand } from '../../src/sleepy/sleepy-command.ts';
import { SleepyDevices } from '../../src/sleepy/sleepy-devices.ts';
import { type SleepyOptions, sleepyDefaults } from '../../src/sleepy/sleepy-options.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (payload: Uint8Array): string => new TextDecoder().decode(payload);

/** What a store keeps; the same for the gateways one after the other. */
class TestStore {
  readonly commands = new Map<number, SleepyCommand>();
  readonly representations = new Map<string, Representation>();
  fault: Error | undefined;

  async changeSleepy(changes: readonly SleepyChange[]): Promise<void> {
    await Promise.resolve();
    if (this.fault !== undefined) throw this.fault;
    for (const change of changes) {
      if (change.kind === 'command') this.commands.set(change.command.id, change.command);
      else if (change.kind === 'remove-commands') for (const id of change.ids) this.commands.delete(id);
      else if (change.kind === 'no-representation')
        this.representations.delete(`${change.device} ${change.path}`);
      else {
        const { device, path } = change.representation;
        this.representations.set(`${device} ${path}`, change.representation);
      }
    }
  }

  async representation(device: string, path: string): Promise<Representation | undefined> {
    return this.representations.get(`${device} ${path}`);
  }
}

/** One question to a device, which the test answers. */
interface Asked {
  readonly text: string;
  answer(code: number, payload?: string, maxAge?: number): void;
  sleep(): void;
}

/** A gateway with one device, `meter`. */
class TestGateway {
  readonly store: TestStore;
  readonly devices: SleepyDevices;
  readonly asked: Asked[] = [];
  readonly changed: string[] = [];
  readonly faults: unknown[] = [];
  readonly #timers = new Map<() => void, number>();
  nowMs: number;

  constructor(options: Partial<SleepyOptions> = {}, store = new TestStore(), nowMs = 1_000_000) {
    this.store = store;
    this.nowMs = nowMs;
    this.devices = new SleepyDevices({
      options: {
        ...sleepyDefaults,
        ...{ devices: ['meter'], registered: false, servesStale: false, latestOnly: [] },
        ...options,
      },
      store,
      commands: [...store.commands.values()],
      clock: () => this.nowMs,
      timer: {
        after: (delayMs, action) => {
          this.#timers.set(action, this.nowMs + delayMs);
          return () => this.#timers.delete(action);
        },
      },
      onChange: (_device, what) => this.changed.push('path' in what ? what.path : `command ${what.command}`),
      onError: (error) => this.faults.push(error),
    });
  }

  /** Runs what is due until then. */
  async pass(ms: number): Promise<void> {
    await this.idle();
    const end = this.nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].sort(([, a], [, b]) => a - b);
      if (next === undefined || next[1] > end) break;
      this.nowMs = next[1];
      this.#timers.delete(next[0]);
      next[0]();
      await this.idle();
    }
    this.nowMs = end;
  }

  async idle(): Promise<void> {
    for (let n = 0; n < 50; n++) await Promise.resolve();
  }

  /** The device sends something. */
  async hear(): Promise<void> {
    this.devices.heard('meter', (method: Method, path: string, options) => {
      const { promise, resolve, reject } = Promise.withResolvers<Response>();
      const payload = options.payload === undefined ? '' : ` ${text(options.payload as Uint8Array)}`;
      this.asked.push({
        text: `${method} ${path}${payload}`,
        answer: (code, answer = '', maxAge) => {
          const set = new OptionSet();
          if (maxAge !== undefined) set.add(OptionNumber.MaxAge, maxAge);
          const ok = code < 0x80;
          const response = { code, ok, payload: bytes(answer), contentFormat: 0, options: set };
          resolve(response as unknown as Response);
        },
        sleep: () => reject(new CoapsuleError('ERR_TIMEOUT', 'no response', 'none')),
      });
      return promise;
    });
    await this.idle();
  }

  /** A command, and what its sender is told in the end. */
  async command(method: SleepyCommand['method'], target: string, payload = '', replaces = false) {
    const command = await this.devices.command(
      {
        ...{ device: 'meter', method, target, payload: bytes(payload), contentFormat: 0 },
        ...{ ifMatch: [], ifNoneMatch: false, from: 'dashboard' },
      },
      replaces,
    );
    if (command === undefined) return undefined;
    const outcome = this.devices.outcome(command, new AbortController().signal);
    await this.idle();
    return { id: command.id, outcome };
  }

  state(id: number): string | undefined {
    return this.devices.find('meter', id)?.state;
  }

  tell(path: string, payload: string, freshMs?: number) {
    return this.devices.told('meter', path, { payload: bytes(payload), contentFormat: 0 }, freshMs);
  }

  async read(path: string) {
    return this.devices.read('meter', path, new AbortController().signal);
  }
}

test('a command waits until the device is heard, and its answer goes to who gave it', async () => {
  const gateway = new TestGateway();
  const command = await gateway.command('PUT', '/setpoint', '21');
  assert.deepEqual([gateway.asked, gateway.state(command?.id ?? 0)], [[], 'queued']);
  await gateway.hear();
  assert.deepEqual(
    gateway.asked.map((one) => one.text),
    ['PUT /setpoint 21'],
  );
  gateway.asked[0]?.answer(Code.Changed);
  const ended = await command?.outcome;
  assert.deepEqual([ended?.state, ended?.answer?.code], ['done', Code.Changed]);
});

test('who asks waits for a bounded time, and is told then that the command still waits; so does the device get it', async () => {
  const gateway = new TestGateway({ waitMs: 20_000 });
  const command = await gateway.command('PUT', '/setpoint', '21');
  await gateway.pass(20_000);
  assert.equal((await command?.outcome)?.state, 'queued');
  await gateway.hear();
  gateway.asked[0]?.answer(Code.Changed);
  await gateway.idle();
  assert.equal(gateway.state(command?.id ?? 0), 'done');
  assert.deepEqual(gateway.changed, [`command ${command?.id}`]);
});

test('commands go in their order, one after the other, and each answer keeps the device awake', async () => {
  const gateway = new TestGateway({ awakeMs: 10_000 });
  for (const value of ['1', '2', '3']) await gateway.command('POST', '/step', value);
  await gateway.hear();
  for (const value of ['1', '2', '3']) {
    assert.equal(gateway.asked.at(-1)?.text, `POST /step ${value}`);
    await gateway.pass(9_000);
    gateway.asked.at(-1)?.answer(Code.Changed);
    await gateway.idle();
  }
  assert.equal(gateway.asked.length, 3);
  // Awake for 10 s after the last answer: what comes then goes at once, what comes later waits.
  await gateway.pass(9_000);
  await gateway.command('POST', '/step', '4');
  assert.equal(gateway.asked.length, 4);
  gateway.asked[3]?.answer(Code.Changed);
  await gateway.pass(10_000);
  await gateway.command('POST', '/step', '5');
  assert.equal(gateway.asked.length, 4);
});

test('a device that falls asleep gets again what may be carried out twice; of a POST nobody knows', async () => {
  const gateway = new TestGateway();
  const put = await gateway.command('PUT', '/a', '1');
  const post = await gateway.command('POST', '/b', '2');
  await gateway.hear();
  gateway.asked[0]?.sleep();
  await gateway.idle();
  assert.deepEqual([gateway.asked.length, gateway.state(put?.id ?? 0)], [1, 'queued']);
  await gateway.hear();
  gateway.asked[1]?.answer(Code.Changed);
  await gateway.idle();
  assert.equal(gateway.asked[2]?.text, 'POST /b 2');
  gateway.asked[2]?.sleep();
  assert.equal((await post?.outcome)?.state, 'unknown');
  await gateway.hear();
  assert.equal(gateway.asked.length, 3);
});

test('a device that comes back another way, while a request over the former one is under way, is asked there', async () => {
  const gateway = new TestGateway();
  await gateway.command('PUT', '/a', '1');
  await gateway.hear();
  await gateway.hear();
  assert.equal(gateway.asked.length, 1);
  gateway.asked[0]?.sleep();
  await gateway.idle();
  assert.deepEqual(
    gateway.asked.map((one) => one.text),
    ['PUT /a 1', 'PUT /a 1'],
  );
  const read = gateway.read('/b');
  await gateway.idle();
  gateway.asked[1]?.answer(Code.Changed);
  await gateway.idle();
  await gateway.hear();
  gateway.asked[2]?.sleep();
  await gateway.idle();
  gateway.asked[3]?.answer(Code.Content, 'x');
  assert.ok((await read) !== undefined);
});

test('the gateway ends between acceptance and delivery: the next one delivers, a POST that was on its way is not sent twice', async () => {
  const store = new TestStore();
  const first = new TestGateway({}, store);
  await first.command('POST', '/step', '1');
  await first.command('PUT', '/setpoint', '21');
  await first.command('POST', '/step', '2');
  await first.hear();
  assert.deepEqual(
    first.asked.map((one) => one.text),
    ['POST /step 1'],
  );
  // kill -9: what the store has is all that there is.
  const second = new TestGateway({}, store, first.nowMs);
  await second.devices.recover();
  assert.deepEqual(
    [1, 2, 3].map((id) => second.state(id)),
    ['unknown', 'queued', 'queued'],
  );
  await second.hear();
  second.asked[0]?.answer(Code.Changed);
  await second.idle();
  second.asked[1]?.answer(Code.Changed);
  await second.idle();
  assert.deepEqual(
    second.asked.map((one) => one.text),
    ['PUT /setpoint 21', 'POST /step 2'],
  );
  assert.deepEqual(
    [2, 3].map((id) => second.state(id)),
    ['done', 'done'],
  );
});

test('what the store cannot take is not accepted', async () => {
  const gateway = new TestGateway();
  gateway.store.fault = new Error('disk full');
  await assert.rejects(gateway.command('PUT', '/a', '1'), /disk full/);
  gateway.store.fault = undefined;
  await gateway.tell('/x', '1');
  await gateway.hear();
  assert.deepEqual([gateway.asked.length, gateway.devices.stateOf('meter')?.commands.length], [0, 0]);
});

test('where the last writer wins, an earlier command makes way; elsewhere both go', async () => {
  const gateway = new TestGateway({ waitMs: 1000 });
  const early = await gateway.command('PUT', '/setpoint', '19', true);
  const other = await gateway.command('PUT', '/other', '1', true);
  const late = await gateway.command('PUT', '/setpoint', '21', true);
  assert.equal((await early?.outcome)?.state, 'replaced');
  await gateway.hear();
  for (let n = 0; n < 2; n++) {
    gateway.asked[n]?.answer(Code.Changed);
    await gateway.idle();
  }
  assert.deepEqual(
    gateway.asked.map((one) => one.text),
    ['PUT /other 1', 'PUT /setpoint 21'],
  );
  assert.deepEqual(
    [other, late].map((one) => gateway.state(one?.id ?? 0)),
    ['done', 'done'],
  );
});

test('of commands a bounded number waits, and each for its time', async () => {
  const gateway = new TestGateway({ mostCommands: 2, lifetimeMs: 60_000, waitMs: 0 });
  const first = await gateway.command('PUT', '/a', '1');
  await gateway.command('PUT', '/b', '1');
  assert.equal(await gateway.command('PUT', '/c', '1'), undefined);
  await gateway.pass(60_000);
  assert.deepEqual(
    [gateway.state(first?.id ?? 0), gateway.store.commands.get(1)?.state],
    ['expired', 'expired'],
  );
  assert.ok((await gateway.command('PUT', '/c', '1')) !== undefined);
  await gateway.hear();
  assert.deepEqual(
    gateway.asked.map((one) => one.text),
    ['PUT /c 1'],
  );
});

test('a command can be taken back while it waits, and not any more on its way', async () => {
  const gateway = new TestGateway();
  const [one, two] = [await gateway.command('PUT', '/a', '1'), await gateway.command('PUT', '/b', '1')];
  await gateway.hear();
  assert.equal(await gateway.devices.cancel('meter', one?.id ?? 0), false);
  assert.equal(await gateway.devices.cancel('meter', two?.id ?? 0), true);
  gateway.asked[0]?.answer(Code.Changed);
  await gateway.idle();
  assert.deepEqual([gateway.asked.length, gateway.state(two?.id ?? 0)], [1, 'cancelled']);
});

test('what the device tells is its state for who asks, and whoever waits for it has it', async () => {
  const gateway = new TestGateway();
  const waiting = gateway.read('/temperature');
  await gateway.idle();
  await gateway.tell('/temperature', '21.5', 30_000);
  const told = await waiting;
  assert.ok(told !== undefined && 'etag' in told);
  assert.deepEqual([text(told.payload), told.freshUntilMs - gateway.nowMs], ['21.5', 30_000]);
  assert.deepEqual(gateway.changed, ['/temperature']);
  assert.equal(
    text((await gateway.devices.representation('meter', '/temperature'))?.payload ?? bytes('')),
    '21.5',
  );
});

test('what it has not told is asked for when it is awake, once for all who wait', async () => {
  const gateway = new TestGateway({ waitMs: 20_000 });
  const both = [gateway.read('/humidity'), gateway.read('/humidity')];
  await gateway.idle();
  await gateway.hear();
  assert.deepEqual(
    gateway.asked.map((one) => one.text),
    ['GET /humidity'],
  );
  gateway.asked[0]?.answer(Code.Content, '40', 120);
  for (const read of await Promise.all(both)) {
    assert.ok(read !== undefined && 'etag' in read);
    assert.deepEqual([text(read.payload), read.freshUntilMs - gateway.nowMs], ['40', 120_000]);
  }
  const missing = gateway.read('/nothing');
  await gateway.idle();
  gateway.asked[1]?.answer(Code.NotFound);
  const answer = await missing;
  assert.ok(answer !== undefined && 'code' in answer && answer.code === Code.NotFound);
  const never = gateway.read('/humidity2');
  await gateway.idle();
  gateway.asked[2]?.sleep();
  await gateway.pass(20_000);
  assert.equal(await never, undefined);
});

test('after a command that has changed a resource its state is read while the device listens', async () => {
  const gateway = new TestGateway();
  await gateway.tell('/setpoint', '19');
  await gateway.command('PUT', '/setpoint?unit=C', '21');
  await gateway.hear();
  gateway.asked[0]?.answer(Code.Changed);
  await gateway.idle();
  assert.equal(gateway.asked[1]?.text, 'GET /setpoint');
  gateway.asked[1]?.answer(Code.Content, '21');
  await gateway.idle();
  const known = await gateway.devices.representation('meter', '/setpoint');
  // Without Max-Age it is fresh for a minute (RFC 7252 §5.10.5).
  assert.deepEqual(
    [text(known?.payload ?? bytes('')), (known?.freshUntilMs ?? 0) - gateway.nowMs],
    ['21', 60_000],
  );
  assert.deepEqual(gateway.changed, ['/setpoint', 'command 1', '/setpoint']);
});

test('who waits is bounded in number, does not wait longer than its own client, and not for a gateway that ends', async () => {
  const gateway = new TestGateway();
  const reads = Array.from({ length: 40 }, (_, n) => gateway.read(`/${n}`));
  await gateway.idle();
  assert.deepEqual(
    await Promise.all(reads.slice(32)),
    Array.from({ length: 8 }, () => undefined),
  );
  const caller = new AbortController();
  gateway.devices.stop();
  assert.equal(await reads[0], undefined);
  caller.abort();
  assert.equal(await gateway.devices.read('meter', '/x', caller.signal), undefined);
});

test('of commands that have reached their end the last 32 can be asked about', async () => {
  const gateway = new TestGateway({ waitMs: 0 });
  await gateway.hear();
  for (let n = 0; n < 40; n++) {
    await gateway.command('PUT', '/a', String(n));
    await gateway.hear();
    gateway.asked.at(-1)?.answer(Code.Changed);
    await gateway.idle();
  }
  assert.deepEqual(
    [gateway.state(8), gateway.state(9), gateway.store.commands.size],
    [undefined, 'done', 32],
  );
});

test('a command that the store could not note as on its way did not go: it goes when the device is heard again', async () => {
  const gateway = new TestGateway();
  const post = await gateway.command('POST', '/step', '1');
  gateway.store.fault = new Error('the disk is full');
  await gateway.hear();
  assert.deepEqual(
    [gateway.asked.length, gateway.faults.length, gateway.state(post?.id ?? 0)],
    [0, 1, 'queued'],
  );
  gateway.store.fault = undefined;
  await gateway.hear();
  assert.deepEqual(
    gateway.asked.map((one) => one.text),
    ['POST /step 1'],
  );
});

test('where more devices have something than are remembered, what is given for one more reaches it all the same', async () => {
  const gateway = new TestGateway({ waitMs: 0 });
  const given = { method: 'PUT', target: '/a', payload: bytes('1'), contentFormat: 0 } as const;
  for (let n = 0; n < 10_000; n++) {
    const more = { device: `other-${n}`, ifMatch: [], ifNoneMatch: false, from: 'dashboard' };
    await gateway.devices.command({ ...given, ...more }, false);
  }
  await gateway.command('PUT', '/setpoint', '21');
  await gateway.hear();
  assert.equal(gateway.asked[0]?.text, 'PUT /setpoint 21');
});

test('a path with a query is another resource: the device is asked for it, and it takes no place of what is kept', async () => {
  const gateway = new TestGateway();
  await gateway.tell('/energy', '17');
  const read = gateway.read('/energy?unit=J');
  await gateway.hear();
  assert.equal(gateway.asked[0]?.text, 'GET /energy?unit=J');
  gateway.asked[0]?.answer(Code.Content, '61200000', 30);
  const outcome = await read;
  assert.ok(outcome !== undefined && 'etag' in outcome);
  assert.deepEqual([text(outcome.payload), outcome.freshUntilMs - gateway.nowMs], ['61200000', 30_000]);
  assert.deepEqual([...gateway.store.representations.keys()], ['meter /energy']);
  const refused = gateway.read('/energy?unit=x');
  await gateway.idle();
  gateway.asked[1]?.answer(Code.BadRequest);
  const answer = await refused;
  assert.ok(answer !== undefined && 'code' in answer && answer.code === Code.BadRequest);
  assert.equal(gateway.store.representations.size, 1);
});

test('a command with a condition is not sent again: the second time it would fail because of the first', async () => {
  const gateway = new TestGateway();
  const given = {
    device: 'meter',
    method: 'PUT',
    target: '/a',
    payload: bytes('1'),
    contentFormat: 0,
  } as const;
  const conditions = [
    { ifMatch: [Uint8Array.of(1)], ifNoneMatch: false },
    { ifMatch: [], ifNoneMatch: true },
  ];
  for (const condition of conditions) {
    const command = await gateway.devices.command({ ...given, ...condition, from: 'dashboard' }, false);
    await gateway.hear();
    assert.equal(gateway.store.commands.get(command?.id ?? 0)?.state, 'delivering');
    gateway.asked.at(-1)?.sleep();
    await gateway.idle();
    assert.equal(gateway.state(command?.id ?? 0), 'unknown');
  }
});
