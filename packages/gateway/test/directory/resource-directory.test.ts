import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Registration } from '../../src/directory/registration.ts';
import { type NewRegistration, ResourceDirectory } from '../../src/directory/resource-directory.ts';

/** A directory on a clock that the test moves, and what its store has. */
class TestDirectory {
  readonly kept = new Map<string, Registration>();
  readonly #timers = new Map<() => void, number>();
  changes = 0;
  nowMs = 1_000_000;
  fault: Error | undefined;
  readonly directory: ResourceDirectory;

  constructor(
    limits?: { readonly registrations: number; readonly ofOwner: number },
    earlier: Iterable<Registration> = [],
  ) {
    for (const one of earlier) this.kept.set(one.id, one);
    this.directory = new ResourceDirectory({
      store: {
        keepRegistration: async (registration) => {
          if (this.fault) throw this.fault;
          this.kept.set(registration.id, registration);
        },
        removeRegistrations: async (ids) => {
          for (const id of ids) this.kept.delete(id);
        },
      },
      registrations: [...this.kept.values()],
      clock: () => this.nowMs,
      timer: {
        now: () => this.nowMs,
        after: (delayMs, action) => {
          this.#timers.set(action, this.nowMs + delayMs);
          return () => this.#timers.delete(action);
        },
      },
      onChange: () => {
        this.changes++;
      },
      onError: (error) => assert.fail(String(error)),
      ...(limits && { limits }),
    });
  }

  /** Runs what is due until then. */
  async pass(ms: number): Promise<void> {
    const end = this.nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].sort(([, a], [, b]) => a - b);
      if (next === undefined || next[1] > end) break;
      this.nowMs = next[1];
      this.#timers.delete(next[0]);
      next[0]();
      await Promise.resolve();
    }
    this.nowMs = end;
  }

  async register(name: string, more: Partial<NewRegistration> = {}): Promise<Registration> {
    const outcome = await this.tryToRegister(name, more);
    assert.ok(typeof outcome !== 'string', String(outcome));
    return outcome;
  }

  tryToRegister(
    name: string,
    more: Partial<NewRegistration> = {},
  ): ReturnType<ResourceDirectory['register']> {
    return this.directory.register({
      ...{
        name,
        sector: '',
        owner: name,
        lifetimeSeconds: 60,
        attributes: [],
        links: [],
        isCommissioning: false,
      },
      base: { uri: `coap://${name}`, isGiven: false, zone: undefined },
      ...more,
    });
  }

  async refresh(
    known: Registration,
    update: Parameters<ResourceDirectory['update']>[1],
  ): Promise<Registration> {
    return (await this.directory.update(known.id, update)) ?? assert.fail('it is gone');
  }

  names(zone?: string): readonly string[] {
    return [...this.directory.visible(zone)].map(({ name }) => name);
  }
}

test('registering an endpoint twice keeps one registration at one location, with what came last (RFC 9176 §5)', async () => {
  const test = new TestDirectory();
  const first = await test.register('node1', { links: [{ target: '/a', attributes: [] }] });
  const second = await test.register('node1', { links: [{ target: '/b', attributes: [] }] });
  assert.equal(second.id, first.id);
  assert.deepEqual(test.kept.get(first.id)?.links, [{ target: '/b', attributes: [] }]);
  const elsewhere = await test.register('node1', { sector: 'floor-3' });
  assert.notEqual(elsewhere.id, first.id);
  assert.deepEqual(test.names(), ['node1', 'node1']);
});

test('a registration ends with its lifetime, 90,000 s by default, and is told of; it can be refreshed all the same', async () => {
  const test = new TestDirectory();
  const short = await test.register('short');
  const long = await test.register('long', { lifetimeSeconds: undefined });
  assert.equal(long.expiresAtMs, test.nowMs + 90_000_000);
  await test.pass(59_999);
  assert.deepEqual(test.names(), ['short', 'long']);
  const { changes } = test;
  await test.pass(1);
  assert.deepEqual(test.names(), ['long']);
  assert.equal(test.changes, changes + 1, 'observers of the look-ups are told');
  await test.refresh(short, { lifetimeSeconds: undefined, base: short.base, attributes: [] });
  assert.deepEqual(test.names(), ['short', 'long']);
});

test('an update resets the timeout, to the lifetime that it gives or the one before, and overrides attributes by name (RFC 9176 §5.3.1)', async () => {
  const test = new TestDirectory();
  const first = await test.register('node1', {
    attributes: [
      ['et', 'a'],
      ['et', 'b'],
      ['x', '1'],
    ],
  });
  await test.pass(50_000);
  const second = await test.refresh(first, {
    lifetimeSeconds: 100,
    base: first.base,
    attributes: [['et', 'c']],
  });
  assert.deepEqual(second.attributes, [
    ['x', '1'],
    ['et', 'c'],
  ]);
  await test.pass(99_999);
  const third = await test.refresh(second, {
    lifetimeSeconds: undefined,
    base: second.base,
    attributes: [],
  });
  assert.equal(third.expiresAtMs, test.nowMs + 100_000);
});

test('what is over is forgotten in the end, in the store too', async () => {
  const test = new TestDirectory();
  await test.register('gone');
  await test.register('stays', { lifetimeSeconds: 4_294_967_295 });
  await test.pass(60_000);
  assert.equal(test.kept.size, 2);
  // Another one that ends later makes it look again.
  await test.register('later', { lifetimeSeconds: 90_000 });
  await test.pass(90_000_000);
  assert.deepEqual([...test.kept.values()].map(({ name }) => name).sort(), ['later', 'stays']);
});

test('a full directory, and an owner with all it may have, are refused; what is over gives way', async () => {
  const test = new TestDirectory({ registrations: 3, ofOwner: 2 });
  await test.register('a', { sector: '1' });
  await test.register('a', { sector: '2', lifetimeSeconds: 10 });
  assert.equal(await test.tryToRegister('a', { sector: '3' }), 'owner-full');
  await test.register('b');
  assert.equal(await test.tryToRegister('c'), 'directory-full');
  await test.register('b', { lifetimeSeconds: 99 });
  await test.pass(10_000);
  await test.register('c');
  assert.deepEqual([...test.kept.values()].map(({ name, sector }) => name + sector).sort(), ['a1', 'b', 'c']);
});

test('who registers others is bound by the limit of the directory only', async () => {
  const test = new TestDirectory({ registrations: 5, ofOwner: 1 });
  for (const name of ['a', 'b', 'c']) await test.register(name, { owner: 'tool', isCommissioning: true });
  assert.equal(test.kept.size, 3);
});

test('what the store could not take is not there', async () => {
  const test = new TestDirectory();
  test.fault = new Error('disk full');
  await assert.rejects(test.tryToRegister('a'), /disk full/);
  assert.deepEqual(test.names(), []);
});

test('registrations of an earlier process are there, with the time they have left', async () => {
  const before = new TestDirectory();
  await before.register('a', { lifetimeSeconds: 60 });
  const test = new TestDirectory(undefined, before.kept.values());
  assert.deepEqual(test.names(), ['a']);
  await test.pass(60_000);
  assert.deepEqual(test.names(), []);
  assert.equal(test.changes, 1);
});

test('links at a link-local base are shown on that link only (RFC 9176 §6.1)', async () => {
  const test = new TestDirectory();
  await test.register('local', { base: { uri: 'coap://[fe80::1]', isGiven: false, zone: 'eth0' } });
  assert.deepEqual([test.names(), test.names('eth1'), test.names('eth0')], [[], [], ['local']]);
});

const refreshOnly = { lifetimeSeconds: undefined, base: undefined, attributes: [] };

test('operations are atomic: each begins with what the one before it has left (RFC 9176 §4)', async () => {
  const test = new TestDirectory();
  const first = await test.register('a', { links: [{ target: '/old', attributes: [] }] });
  // A new registration and a refresh at once: the links of the former stay.
  await Promise.all([
    test.register('a', { links: [{ target: '/new', attributes: [] }] }),
    test.directory.update(first.id, refreshOnly),
  ]);
  assert.deepEqual(test.kept.get(first.id)?.links, [{ target: '/new', attributes: [] }]);
  // A removal and a refresh at once: it does not come back.
  const [, refreshed] = await Promise.all([
    test.directory.remove(first.id),
    test.directory.update(first.id, refreshOnly),
  ]);
  assert.equal(refreshed, undefined);
  assert.deepEqual([test.kept.size, test.names()], [0, []]);
});

test('a limit holds for registrations at once too', async () => {
  const test = new TestDirectory({ registrations: 100, ofOwner: 2 });
  const outcomes = await Promise.all(
    ['1', '2', '3', '4'].map((sector) => test.tryToRegister('a', { sector })),
  );
  assert.deepEqual(
    outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : 'registered')),
    ['registered', 'registered', 'owner-full', 'owner-full'],
  );
});

/** A directory with a wall clock that can be set beside the one that nobody sets. */
class SetClock {
  wallMs = 1_700_000_000_000;
  upMs = 0;
  readonly kept = new Map<string, Registration>();
  readonly directory: ResourceDirectory;
  #timers: { readonly dueMs: number; readonly action: () => void }[] = [];

  constructor() {
    this.directory = new ResourceDirectory({
      store: {
        keepRegistration: async (registration) => void this.kept.set(registration.id, registration),
        removeRegistrations: async (ids) => {
          for (const id of ids) this.kept.delete(id);
        },
      },
      registrations: [],
      clock: () => this.wallMs,
      timer: {
        now: () => this.upMs,
        after: (delayMs, action) => {
          const timer = { dueMs: this.upMs + delayMs, action };
          this.#timers.push(timer);
          return () => {
            this.#timers = this.#timers.filter((one) => one !== timer);
          };
        },
      },
      onChange: () => {},
      onError: (error) => assert.fail(String(error)),
    });
  }

  async pass(ms: number): Promise<void> {
    this.wallMs += ms;
    this.upMs += ms;
    const due = this.#timers.filter(({ dueMs }) => dueMs <= this.upMs);
    this.#timers = this.#timers.filter(({ dueMs }) => dueMs > this.upMs);
    for (const { action } of due) action();
    for (let n = 0; n < 20; n++) await Promise.resolve();
  }

  get visible(): readonly string[] {
    return [...this.directory.visible(undefined)].map(({ name }) => name);
  }
}

function plainRegistration(name: string, lifetimeSeconds: number): NewRegistration {
  return {
    ...{ name, sector: '', owner: name, lifetimeSeconds, attributes: [], links: [], isCommissioning: false },
    base: { uri: 'coap://[2001:db8::1]', isGiven: true, zone: undefined },
  };
}

test('a clock that goes ahead by a year and is set right again has made the directory forget nothing', async () => {
  const time = new SetClock();
  await time.directory.register(plainRegistration('one', 3600));
  await time.directory.register(plainRegistration('short', 60));
  const yearMs = 365 * 86_400_000;
  time.wallMs += yearMs;
  await time.pass(61_000);
  assert.deepEqual(time.visible, [], 'by that clock all are over');
  time.wallMs -= yearMs;
  assert.deepEqual(time.visible, ['one']);
  assert.equal(time.kept.size, 2);
});

test('what was registered while the clock was ahead by a year lasts no longer than its lifetime, and gives way a day later', async () => {
  const time = new SetClock();
  const yearMs = 365 * 86_400_000;
  time.wallMs += yearMs;
  await time.directory.register(plainRegistration('one', 3600));
  time.wallMs -= yearMs;
  assert.deepEqual(time.visible, ['one']);
  await time.pass(3_600_000);
  assert.deepEqual(time.visible, []);
  await time.pass(2 * 86_400_000);
  await time.directory.register(plainRegistration('two', 60));
  await time.pass(60_000);
  assert.deepEqual(
    [...time.kept.values()].map(({ name }) => name),
    ['two'],
  );
});
