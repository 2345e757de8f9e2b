/**
 * The clock for what lasts so long from now on, such as the time in which a request may come again (RFC 7252 §4.8.2): the wall clock at
 * one moment, and the time that has passed since. Who sets the wall clock makes no such time longer or shorter.
 *
 * While the machine runs the moment stays the same, over restarts of the gateway too. After it was started anew nobody knows how long
 * it was off but the wall clock; that goes back behind nothing that was recorded.
 */
import { readFileSync } from 'node:fs';
import type { WallClock } from './wall-clock.ts';

/** The moment. */
export interface LifetimeAnchor {
  /** Another one each time that the machine starts; undefined where that cannot be known. */
  readonly bootId: string | undefined;
  readonly wallMs: number;
  readonly sinceBootMs: number;
}

/** What a machine knows of its own time. */
export interface BootClock {
  readonly bootId: string | undefined;
  /** Milliseconds since it was started, the same for all processes. */
  readonly sinceBootMs: () => number;
}

/** Where the moment is kept, and what was recorded by it. */
interface AnchorStore {
  sharedState(name: string): Promise<string | undefined>;
  setSharedState(state: { readonly name: string; readonly value: string }): Promise<void>;
  /** The time of the newest request that is remembered. */
  newestRequestMs(): Promise<number>;
}

const stateName = 'lifetime-anchor';

/** The clock of an anchor: of all threads, and all processes, that have the same. */
export function lifetimeClock(anchor: LifetimeAnchor, boot: BootClock = systemBootClock): WallClock {
  return () => anchor.wallMs + Math.max(0, Math.round(boot.sinceBootMs() - anchor.sinceBootMs));
}

/** The time of day that something by the clock of lifetimes was, or will be, as the wall clock has it now. */
export function timeOfDay(atMs: number, lasting: WallClock, wallClock: WallClock): number {
  return wallClock() + atMs - lasting();
}

/** The moment that counts for a store: that of a process before on the same run of the machine, or now. */
export async function lifetimeAnchor(
  store: AnchorStore,
  clock: WallClock,
  boot: BootClock = systemBootClock,
): Promise<LifetimeAnchor> {
  const known = await store.sharedState(stateName);
  const kept = known === undefined ? undefined : (JSON.parse(known) as LifetimeAnchor);
  if (kept !== undefined && boot.bootId !== undefined && kept.bootId === boot.bootId) return kept;
  const wallMs = Math.max(clock(), await store.newestRequestMs());
  const anchor = { bootId: boot.bootId, wallMs, sinceBootMs: Math.round(boot.sinceBootMs()) };
  await store.setSharedState({ name: stateName, value: JSON.stringify(anchor) });
  return anchor;
}

const systemBootClock: BootClock = {
  bootId: bootId(),
  sinceBootMs: () => Number(process.hrtime.bigint() / 1_000_000n),
};

/** Linux has one; elsewhere each process begins with the wall clock. */
function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}
