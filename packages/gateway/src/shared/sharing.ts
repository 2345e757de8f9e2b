/**
 * What a gateway shares with others over one Redis server: its devices, its directory and the stream of its readings
 * (docs/scale-out.md).
 *
 * All that others do is kept in the data folder too, so that nothing waits for Redis but a registration. When Redis is there, for the
 * first time or again, all is compared once; from then on changes follow each other in one stream. One step at a time.
 */
import { randomBytes } from 'node:crypto';
import type { ResourceDirectory } from '../directory/resource-directory.ts';
import type { RegistrationKeeping } from '../keeping/registrations.ts';
import type { TickTimer } from '../resources/periodic-tick.ts';
import type { Log } from '../server/log.ts';
import type { WallClock } from '../server/wall-clock.ts';
import type { Store } from '../store/store.ts';
import { StoreFault } from '../store/store-fault.ts';
import { GatewayNodes } from './gateway-nodes.ts';
import { RedisDevices } from './redis-devices.ts';
import { RedisLink } from './redis-link.ts';
import { type LogPage, RedisLog } from './redis-log.ts';
import { redisNames } from './redis-names.ts';
import { RedisNodes } from './redis-nodes.ts';
import type { RedisOptions } from './redis-options.ts';
import { RedisRegistrations } from './redis-registrations.ts';
import { RedisStream } from './redis-stream.ts';
import { Sealing } from './sealing.ts';
import { SharedDevices } from './shared-devices.ts';
import { SharedReadings } from './shared-readings.ts';
import { SharedRegistrations } from './shared-registrations.ts';

/** What sharing works with. */
export interface SharingParts {
  readonly options: RedisOptions;
  readonly store: Store;
  readonly log: Log;
  readonly clock: WallClock;
  readonly timer: TickTimer;
  /** What goes wrong besides that Redis is away, which is told here. */
  readonly onError: (error: unknown) => void;
}

/** The gateway, as soon as it listens. */
export interface SharingTarget {
  readonly directory: ResourceDirectory;
  /** A reading of a path came to another gateway. */
  readonly notify: (path: string) => void;
  /** Calls back when something was stored here; the returned function ends that. */
  readonly watch: (changed: (path: string) => void) => () => void;
}

/** How often all is compared although nothing was missed: what was done to Redis by hand, or with no word in the stream. */
const compareMs = 3_600_000;

/** How often it is noted that Redis is there. */
const noteMs = 60_000;

/** After a fault that connecting again does not put right. */
const retryMs = 5000;

const atOnce = 500;

/** See the module comment. */
export class Sharing {
  readonly #parts: SharingParts;
  readonly #link: RedisLink;
  readonly #node: string;
  readonly #sealing: Sealing;
  readonly #names = redisNames();
  readonly #changes: RedisLog;
  readonly #stream: RedisStream;
  readonly #devices: SharedDevices;
  readonly #registrations: SharedRegistrations;
  readonly #readings: SharedReadings;
  /** The other gateways behind the same address, where records are passed on to them. */
  nodes: GatewayNodes | undefined;
  #target: SharingTarget | undefined;
  #work: Promise<void> = Promise.resolve();
  /** Behind the changes and readings that are known; undefined before the first comparison. */
  #marks: { changes: string; readings: string } | undefined;
  /** One for each time that Redis was there. */
  #run = 0;
  /** The log says that it is away, or that it is there. */
  #isTold = false;
  #isKnownThere = false;
  #isClosed = false;
  #stops: (() => void)[] = [];
  readonly #timers = new Map<'grace' | 'retry' | 'compare' | 'note', () => void>();

  /**
   * Does not wait for Redis, but where the link between gateways needs its first number.
   *
   * @throws StartUpFault (rejects) when npm's `redis` is not installed, or the link cannot be opened; nothing is left open then.
   */
  static async open(parts: SharingParts): Promise<Sharing> {
    const { store, options } = parts;
    let node = await store.sharedState('node');
    if (node === undefined) {
      node = randomBytes(9).toString('base64url');
      await store.setSharedState({ name: 'node', value: node });
    }
    const hooks = {
      ready: (): void => {},
      away: (_cause: string): void => {},
      fault: (_error: unknown): void => {},
    };
    const link = await RedisLink.open(options, {
      onReady: () => hooks.ready(),
      onAway: (cause) => hooks.away(cause),
    });
    const sealing = new Sealing(options.key);
    const stream = new RedisStream(link, redisNames(), sealing);
    const readings = await SharedReadings.open({
      ...{ store, stream, node, timer: parts.timer },
      isThere: () => link.isThere,
      onError: (error) => hooks.fault(error),
    });
    const sharing = new Sharing(parts, link, node, sealing, stream, readings);
    hooks.ready = () => sharing.#handleReady();
    hooks.away = (cause) => sharing.#handleAway(cause);
    hooks.fault = (error) => sharing.#handleFault(error);
    if (options.link === undefined) return sharing;
    try {
      sharing.nodes = await GatewayNodes.open({
        ...{ address: options.link, sharedKey: options.key, node },
        nodes: new RedisNodes(link, redisNames(), sealing),
        isThere: () => link.isThere,
        ...{ store, log: parts.log, clock: parts.clock, timer: parts.timer },
      });
      return sharing;
    } catch (error) {
      // The connection to Redis would keep a process alive that has told why it cannot start.
      await sharing.close();
      throw error;
    }
  }

  private constructor(
    parts: SharingParts,
    link: RedisLink,
    node: string,
    sealing: Sealing,
    stream: RedisStream,
    readings: SharedReadings,
  ) {
    this.#parts = parts;
    this.#link = link;
    this.#node = node;
    this.#sealing = sealing;
    this.#stream = stream;
    this.#readings = readings;
    this.#changes = new RedisLog(link, this.#names.changes);
    const { store, log } = parts;
    const remote = new RedisDevices(link, this.#names, sealing);
    this.#devices = new SharedDevices({ store, remote, node, log });
    const registrations = new RedisRegistrations(link, this.#names, sealing);
    this.#registrations = new SharedRegistrations({ store, remote: registrations });
  }

  /** Where the directory keeps what it registers. */
  get registrations(): Pick<RegistrationKeeping, 'keepRegistration' | 'removeRegistrations'> {
    return this.#registrations;
  }

  /** The store, but for the newest reading of a path, which is that of all gateways. */
  get readings(): Pick<SharedReadings, 'latest'> {
    return this.#readings;
  }

  /** The gateway listens. */
  async start(target: SharingTarget): Promise<void> {
    this.#target = target;
    this.#stops.push(target.watch(() => this.#readings.wake()));
    await this.#watchGrace();
    if (this.#link.isThere) this.#handleReady();
  }

  /** Devices were changed in the data folder. */
  devicesChanged(): void {
    if (this.#marks !== undefined) this.#enqueue(() => this.#devices.publishChanges());
  }

  /** What is on its way is waited for as long as Redis answers. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const stop of [...this.#stops, ...this.#timers.values()]) stop();
    await this.nodes?.close();
    this.#link.close();
    await this.#work;
    await this.#readings.settled();
  }

  /** Redis is there. */
  #handleReady(): void {
    const { options, log } = this.#parts;
    if (this.#target === undefined || this.#isClosed) return;
    const run = ++this.#run;
    this.#enqueue(async () => {
      if (run !== this.#run) return;
      const { devices, registrations } = await this.#compareAll();
      this.#later('grace', undefined);
      log.detail(
        this.#isKnownThere ? 1 : 0,
        `shared: connected to ${options.url}: ${devices} devices and ${registrations} registrations of all gateways`,
      );
      this.#isTold = false;
      this.#isKnownThere = true;
      this.#readings.wake();
      void this.#follow(run);
    });
  }

  #handleAway(cause: string): void {
    if (this.#isTold || this.#isClosed || this.#target === undefined) return;
    this.#isTold = true;
    this.#isKnownThere = false;
    const { log, options } = this.#parts;
    log.warning(
      `shared: Redis at ${options.url} is away (${cause}): devices of other gateways are let in for ${hours(options.graceMs)} more, registrations are refused with 5.03, readings follow later; it is tried again`,
    );
    void this.#watchGrace().catch(this.#parts.onError);
  }

  #handleFault(error: unknown): void {
    if (this.#isClosed) return;
    // That it is away the link tells, and when it is there again.
    if (!(error instanceof StoreFault && error.code === 'away')) this.#parts.onError(error);
    this.#later('retry', retryMs, () => {
      if (this.#link.isThere) this.#handleReady();
    });
  }

  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#isClosed) return;
      try {
        await task();
      } catch (error) {
        this.#handleFault(error);
      }
    });
  }

  async #compareAll(): Promise<{ readonly devices: number; readonly registrations: number }> {
    const { store } = this.#parts;
    const directory = this.#directory();
    await this.#expectSameKey();
    const generation = await this.#generation();
    const mark = this.#marks?.changes ?? (await store.sharedState('changes'));
    const isLost = mark !== undefined && (await this.#changes.after(mark, 1)).isLost;
    const isWhole = !isLost && (await store.sharedState('generation')) === generation;
    // Before all is read: what changes meanwhile is looked at twice rather than not at all.
    const changes = await this.#changes.end();
    const readings = this.#marks?.readings ?? (await this.#stream.end());
    const devices = await this.#devices.compare(isWhole);
    const registrations = await this.#registrations.compare(directory, isWhole);
    await store.setSharedState({ name: 'generation', value: generation });
    await store.setSharedState({ name: 'changes', value: changes });
    this.#marks = { changes, readings };
    await this.#note();
    this.#later('compare', compareMs, () => this.#handleReady());
    return { devices, registrations };
  }

  /** What others do, until Redis is away. */
  async #follow(run: number): Promise<void> {
    const isOver = (): boolean => run !== this.#run || this.#isClosed || !this.#link.isThere;
    try {
      while (!isOver() && this.#marks !== undefined) {
        const marks = this.#marks;
        const changes = await this.#changes.after(marks.changes, atOnce);
        const readings = await this.#stream.after(marks.readings, atOnce);
        if (isOver()) return;
        if (changes.hasGap) return this.#handleReady();
        if (changes.entries.length > 0) {
          const applied = Promise.withResolvers<void>();
          this.#enqueue(() => this.#take(changes).finally(applied.resolve));
          await applied.promise;
        }
        for (const path of new Set(
          readings.readings.filter(({ node }) => node !== this.#node).map(({ reading }) => reading.path),
        )) {
          this.#target?.notify(path);
        }
        this.#marks = { changes: changes.mark, readings: readings.mark };
        if (changes.entries.length > 0 || readings.readings.length > 0) continue;
        await this.#link.waitForStreams([
          { key: this.#changes.key, mark: changes.mark },
          { key: this.#stream.log.key, mark: readings.mark },
        ]);
      }
    } catch (error) {
      this.#handleFault(error);
    }
  }

  async #take({ entries, mark }: LogPage): Promise<void> {
    const ids = (kind: string): readonly string[] => entries.flatMap(({ fields }) => fields.get(kind) ?? []);
    await this.#devices.takeChanges(ids('device'));
    for (const id of new Set(ids('registration'))) await this.#registrations.take(this.#directory(), id);
    // Over a restart too: by this one sees that Redis has come back with less than it had.
    await this.#parts.store.setSharedState({ name: 'changes', value: mark });
  }

  /** Redis has its own, which is gone with all that it has lost. */
  async #generation(): Promise<string> {
    await this.#link.ask('SET', this.#names.generation, randomBytes(12).toString('base64url'), 'NX');
    return String(await this.#link.ask('GET', this.#names.generation));
  }

  async #expectSameKey(): Promise<void> {
    const { keyCheck } = this.#names;
    await this.#link.ask('SET', keyCheck, this.#sealing.seal('key check', new Uint8Array(1)), 'NX');
    const sealed = String(await this.#link.ask('GET', keyCheck));
    if (this.#sealing.open('key check', sealed) !== undefined) return;
    throw new StoreFault(
      'failed',
      'other gateways have sealed what is in Redis with another key: nothing is shared',
      'give all gateways the same file with --redis-key',
    );
  }

  /** Devices of others count for some time without Redis, over a restart too. */
  async #watchGrace(): Promise<void> {
    const { store, clock, options } = this.#parts;
    const known = Number((await store.sharedState('seen')) ?? clock());
    // A time to come is that of a clock that was set back since.
    const leftMs = Math.min(options.graceMs, known + options.graceMs - clock());
    this.#later('grace', Math.max(0, leftMs), () => this.#enqueue(() => this.#graceOver()));
  }

  async #graceOver(): Promise<void> {
    const count = await this.#devices.forgetOthers();
    const { log, options } = this.#parts;
    if (count === 0) return;
    log.warning(
      `shared: Redis was away for ${hours(options.graceMs)}: the ${count} devices of other gateways are not let in any more until it is there`,
    );
  }

  async #note(): Promise<void> {
    const { store, clock } = this.#parts;
    await store.setSharedState({ name: 'seen', value: String(clock()) });
    this.#later('note', noteMs, () =>
      this.#enqueue(async () => {
        if (this.#link.isThere) await this.#note();
      }),
    );
  }

  /** One timer of each name; none without a time. */
  #later(
    name: 'grace' | 'retry' | 'compare' | 'note',
    delayMs: number | undefined,
    action = (): void => {},
  ): void {
    this.#timers.get(name)?.();
    this.#timers.delete(name);
    if (delayMs === undefined || this.#isClosed) return;
    this.#timers.set(name, this.#parts.timer.after(delayMs, action));
  }

  #directory(): ResourceDirectory {
    if (this.#target === undefined) throw new Error('sharing has not begun');
    return this.#target.directory;
  }
}

function hours(ms: number): string {
  return `${Math.round(ms / 360_000) / 10} h`;
}
