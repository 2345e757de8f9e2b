/**
 * The Resource Directory (RFC 9176): who is registered, for how long, and how that changes.
 *
 * What it answers with is in its store first. A registration that is over is shown to nobody, but stays for a while: its
 * endpoint can refresh it (RFC 9176 §5.3: SHOULD). Who may do what, and how requests say it, is in directory-resources.ts.
 */
import { isDeepStrictEqual } from 'node:util';
import type { LinkAttribute } from 'coapsule/message';
import type { RegistrationKeeping } from '../keeping/registrations.ts';
import { longestTimerMs, type TickTimer } from '../resources/periodic-tick.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { StoreFault } from '../store/store-fault.ts';
import { defaultLifetimeSeconds, type Registration, registrationId } from './registration.ts';

/** How many there may be; those that are over count too, until they give way. */
export interface DirectoryLimits {
  readonly registrations: number;
  /** Of one owner. */
  readonly ofOwner: number;
}

/** What counts when nobody says anything. */
const defaultDirectoryLimits: DirectoryLimits = { registrations: 10_000, ofOwner: 16 };

/** Whose registration it is to be, and what it says. */
export type NewRegistration = Omit<Registration, 'id' | 'lifetimeSeconds' | 'expiresAtMs'> & {
  readonly lifetimeSeconds: number | undefined;
  /** Not bound by the limit of an owner: it registers others. */
  readonly isCommissioning: boolean;
};

/** What an update changes (RFC 9176 §5.3.1); undefined leaves it as it is. */
export interface RegistrationUpdate {
  readonly lifetimeSeconds: number | undefined;
  readonly base: Registration['base'] | undefined;
  /** Each takes the place of all of the same name. */
  readonly attributes: readonly LinkAttribute[];
}

/** What was done, or why not. */
export type RegistrationOutcome = Registration | 'directory-full' | 'owner-full';

/** Registrations that are over are kept for their lifetime once more, and a day at least. */
const leastGraceMs = 24 * 60 * 60 * 1000;

/** Operations that may wait for those before them; more are refused. */
const mostWaiting = 1000;

type DirectoryStore = Pick<RegistrationKeeping, 'keepRegistration' | 'removeRegistrations'>;

/** What a directory is made of. */
export interface DirectoryParts {
  readonly store: DirectoryStore;
  /** What the store has kept. */
  readonly registrations: Iterable<Registration>;
  readonly clock: WallClock;
  readonly timer: TickTimer;
  /** What a look-up finds may have changed. */
  readonly onChange: () => void;
  /** The store could not take what was removed for its age. */
  readonly onError: (error: unknown) => void;
  readonly limits?: DirectoryLimits;
}

/** See the module comment. */
export class ResourceDirectory {
  readonly #parts: DirectoryParts;
  readonly #limits: DirectoryLimits;
  readonly #byId = new Map<string, Registration>();
  /** Since when each is known as it is, on the clock that nobody sets. */
  readonly #since = new Map<string, number>();
  #lastTurn: Promise<void> = Promise.resolve();
  #waiting = 0;
  #stopTimer: (() => void) | undefined;
  #dueAtMs = Number.POSITIVE_INFINITY;

  constructor(parts: DirectoryParts) {
    this.#parts = parts;
    this.#limits = parts.limits ?? defaultDirectoryLimits;
    for (const registration of parts.registrations) this.#set(registration);
    this.#watch(this.#nextEnd());
  }

  /** A registration by the last segment of its location, over or not. */
  find(id: string): Registration | undefined {
    return this.#byId.get(id);
  }

  /** The registration of an endpoint, over or not. */
  findEndpoint(name: string, sector: string): Registration | undefined {
    const found = this.#byId.get(this.#idOf(name, sector));
    return found?.name === name && found.sector === sector ? found : undefined;
  }

  /** Those that are not over. */
  *current(): Iterable<Registration> {
    const now = this.#parts.clock();
    for (const registration of this.#byId.values()) if (registration.expiresAtMs > now) yield registration;
  }

  /** Those that look-ups may find; links of a link-local base only from that link (RFC 9176 §6.1). */
  *visible(zone: string | undefined): Iterable<Registration> {
    const now = this.#parts.clock();
    for (const registration of this.#byId.values()) {
      if (this.#isOver(registration, now)) continue;
      if (registration.base.zone === undefined || registration.base.zone === zone) yield registration;
    }
  }

  /** Registers an endpoint, or replaces what it has registered, at the same location (RFC 9176 §5). */
  register(registration: NewRegistration): Promise<RegistrationOutcome> {
    return this.#inTurn(() => this.#register(registration));
  }

  async #register({ isCommissioning, ...given }: NewRegistration): Promise<RegistrationOutcome> {
    const now = this.#parts.clock();
    const known = this.findEndpoint(given.name, given.sector);
    if (known === undefined) {
      const refused = await this.#makeRoom(given.owner, isCommissioning, now);
      if (refused !== undefined) return refused;
    }
    const lifetimeSeconds = given.lifetimeSeconds ?? defaultLifetimeSeconds;
    const registration: Registration = {
      ...given,
      id: this.#idOf(given.name, given.sector),
      lifetimeSeconds,
      expiresAtMs: now + lifetimeSeconds * 1000,
    };
    return this.#keep(registration);
  }

  /** Refreshes a registration, with or without changes; undefined when there is none any more. */
  update(id: string, update: RegistrationUpdate): Promise<Registration | undefined> {
    return this.#inTurn(() => this.#update(id, update));
  }

  async #update(id: string, update: RegistrationUpdate): Promise<Registration | undefined> {
    const known = this.#byId.get(id);
    if (known === undefined) return undefined;
    const lifetimeSeconds = update.lifetimeSeconds ?? known.lifetimeSeconds;
    const replaced = new Set(update.attributes.map(([name]) => name));
    return this.#keep({
      ...known,
      lifetimeSeconds,
      base: update.base ?? known.base,
      attributes: [...known.attributes.filter(([name]) => !replaced.has(name)), ...update.attributes],
      // RFC 9176 §5.3.1: an update resets the timeout, whether or not it has an lt.
      expiresAtMs: this.#parts.clock() + lifetimeSeconds * 1000,
    });
  }

  remove(id: string): Promise<void> {
    return this.#inTurn(() => this.#remove(id));
  }

  async #remove(id: string): Promise<void> {
    await this.#parts.store.removeRegistrations([id]);
    this.#delete(id);
    this.#parts.onChange();
  }

  #set(registration: Registration): void {
    this.#byId.set(registration.id, registration);
    this.#since.set(registration.id, this.#parts.timer.now());
  }

  #delete(id: string): void {
    this.#byId.delete(id);
    this.#since.delete(id);
  }

  /** How long it has been known as it is. */
  #ageMs({ id }: Registration): number {
    return this.#parts.timer.now() - (this.#since.get(id) ?? 0);
  }

  /** Also when the clock was set back since: none lasts longer than its lifetime. */
  #isOver(registration: Registration, now: number): boolean {
    const { expiresAtMs, lifetimeSeconds } = registration;
    return expiresAtMs <= now || this.#ageMs(registration) >= lifetimeSeconds * 1000;
  }

  /**
   * Takes over what has become of a registration elsewhere, in turn with all other operations.
   *
   * @param store Where what counts is kept.
   * @param decide Told what is known here, it says what counts from now on; undefined for none.
   */
  settle(
    id: string,
    store: DirectoryStore,
    decide: (known: Registration | undefined) => Promise<Registration | undefined>,
  ): Promise<void> {
    return this.#inTurn(async () => {
      const known = this.#byId.get(id);
      const is = await decide(known);
      if (isDeepStrictEqual(is, known)) return;
      if (is === undefined) {
        await store.removeRegistrations([id]);
        this.#delete(id);
      } else {
        await store.keepRegistration(is);
        this.#set(is);
        this.#watch(is.expiresAtMs);
      }
      this.#parts.onChange();
    });
  }

  /** No timer runs any more. */
  stop(): void {
    this.#stopTimer?.();
  }

  /**
   * RFC 9176 §4: all operations MUST be atomic. Each waits for those before it, so that none is decided by a state that another
   * is about to change.
   */
  async #inTurn<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#waiting >= mostWaiting) {
      throw new StoreFault('overloaded', 'too many registrations wait for the disk', 'try again later');
    }
    this.#waiting++;
    const turn = this.#lastTurn.then(operation);
    this.#lastTurn = turn.then(
      () => {},
      () => {},
    );
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }

  async #keep(registration: Registration): Promise<Registration> {
    await this.#parts.store.keepRegistration(registration);
    this.#set(registration);
    this.#watch(registration.expiresAtMs);
    this.#parts.onChange();
    return registration;
  }

  /** The id of an endpoint, whether it is registered or not. */
  #idOf(name: string, sector: string): string {
    for (let attempt = 0; ; attempt++) {
      const id = registrationId(name, sector, attempt);
      const holder = this.#byId.get(id);
      if (holder === undefined || (holder.name === name && holder.sector === sector)) return id;
    }
  }

  /** Lets registrations that are over give way to a new one, the oldest first. */
  async #makeRoom(
    owner: string | undefined,
    isCommissioning: boolean,
    now: number,
  ): Promise<'directory-full' | 'owner-full' | undefined> {
    const all = [...this.#byId.values()];
    const own = isCommissioning ? [] : all.filter((one) => one.owner === owner);
    const oldest = (some: readonly Registration[]): Registration | undefined =>
      some.filter((one) => this.#isOver(one, now)).sort((a, b) => a.expiresAtMs - b.expiresAtMs)[0];
    const isOwnerFull = own.length >= this.#limits.ofOwner;
    if (!isOwnerFull && all.length < this.#limits.registrations) return undefined;
    const over = oldest(isOwnerFull ? own : all);
    if (over === undefined) return isOwnerFull ? 'owner-full' : 'directory-full';
    await this.#remove(over.id);
    return undefined;
  }

  #nextEnd(): number {
    const now = this.#parts.clock();
    let next = Number.POSITIVE_INFINITY;
    for (const { expiresAtMs } of this.#byId.values()) {
      if (expiresAtMs > now && expiresAtMs < next) next = expiresAtMs;
    }
    return next;
  }

  /** Looks at the registrations when the next one ends. */
  #watch(endMs: number): void {
    if (endMs >= this.#dueAtMs) return;
    this.#stopTimer?.();
    this.#dueAtMs = endMs;
    const delayMs = Math.min(Math.max(0, endMs - this.#parts.clock()), longestTimerMs);
    this.#stopTimer = this.#parts.timer.after(delayMs, () => this.#ended());
  }

  #ended(): void {
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    this.#inTurn(() => this.#forget()).catch((error: unknown) => this.#parts.onError(error));
    this.#watch(this.#nextEnd());
    this.#parts.onChange();
  }

  async #forget(): Promise<void> {
    const now = this.#parts.clock();
    // Known for so long by the clock that nobody sets, too: a wall clock that goes ahead for a while makes nothing forgotten.
    const ids = [...this.#byId.values()].flatMap((one) => {
      const graceMs = Math.max(leastGraceMs, one.lifetimeSeconds * 1000);
      const isForgotten = this.#isOver(one, now) && (one.expiresAtMs + graceMs <= now || isSetBack(one, now));
      return isForgotten && this.#ageMs(one) >= graceMs ? [one.id] : [];
    });
    if (ids.length === 0) return;
    try {
      await this.#parts.store.removeRegistrations(ids);
      for (const id of ids) this.#delete(id);
    } catch (error) {
      // They are over: nobody is shown them, and the next one that ends tries again.
      this.#parts.onError(error);
    }
  }
}

/** Whether its end is further away than any end can be: the clock was ahead when it was made. */
function isSetBack({ expiresAtMs, lifetimeSeconds }: Registration, now: number): boolean {
  return expiresAtMs - now > lifetimeSeconds * 1000;
}
