import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BootClock, lifetimeAnchor, lifetimeClock } from '../../src/server/lifetime-clock.ts';

const yearMs = 365 * 86_400_000;
const now = 1_700_000_000_000;

/** A machine with a wall clock that can be set, and the store of a gateway on it. */
class Machine implements BootClock {
  bootId: string | undefined = 'one';
  wallMs = now;
  upMs = 5000;
  newestMs = 0;
  readonly state = new Map<string, string>();

  sinceBootMs = (): number => this.upMs;

  /** A gateway starts. */
  async start(): Promise<() => number> {
    const store = {
      sharedState: async (name: string) => this.state.get(name),
      setSharedState: async ({ name, value }: { name: string; value: string }) =>
        void this.state.set(name, value),
      newestRequestMs: async () => this.newestMs,
    };
    return lifetimeClock(await lifetimeAnchor(store, () => this.wallMs, this), this);
  }

  pass(ms: number): void {
    this.wallMs += ms;
    this.upMs += ms;
  }
}

test('who sets the wall clock by a year changes no lifetime, forth or back, while the gateway runs or over its restart', async () => {
  for (const jump of [yearMs, -yearMs]) {
    const machine = new Machine();
    const clock = await machine.start();
    assert.equal(clock(), now);
    machine.pass(1000);
    machine.wallMs += jump;
    assert.equal(clock(), now + 1000);
    machine.pass(1000);
    const again = await machine.start();
    assert.equal(again(), now + 2000);
    assert.equal(clock(), now + 2000);
  }
});

test('after the machine was off the wall clock says how long, but time goes back behind nothing that was recorded', async () => {
  const machine = new Machine();
  await machine.start();
  machine.bootId = 'two';
  machine.upMs = 0;
  machine.newestMs = now + 3000;
  machine.wallMs = now + 86_400_000;
  assert.equal((await machine.start())(), now + 86_400_000);
  machine.bootId = 'three';
  machine.wallMs = now - yearMs;
  assert.equal((await machine.start())(), now + 3000);
});

test('where no one knows whether the machine was off, each start counts as one after it was', async () => {
  const machine = new Machine();
  machine.bootId = undefined;
  await machine.start();
  machine.wallMs += 1000;
  assert.equal((await machine.start())(), now + 1000);
});
