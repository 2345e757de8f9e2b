/**
 * Devices that sleep: what they have told last is answered for them, and commands wait until they are awake.
 *
 * The model is the Queue Mode of LwM2M: a device is awake for a time after each message of it, gets its commands one after the other
 * in their order, and each answer makes the time begin again. Commands are in the store before anybody is told that they wait, and
 * what was on its way at the end of the process is told apart: what may be carried out twice is sent again, the rest is not.
 * Requests and rules are the matter of sleepy-resources.ts; time and timers are injected.
 */
import { CoapsuleError, Code, OptionNumber, type Response } from 'coapsule';
import { longestTimerMs, type TickTimer } from '../resources/periodic-tick.ts';
import type { WallClock } from '../server/wall-clock.ts';
import { type AskDevice, Sleeper } from './sleeper.ts';
import {
  type CommandAnswer,
  isIdempotent,
  isPending,
  isReplaceable,
  pathOfTarget,
  type Representation,
  type RepresentationContent,
  representationOf,
  type SleepyChange,
  type SleepyCommand,
  type SleepyStore,
} from './sleepy-command.ts';
import type { SleepyOptions } from './sleepy-options.ts';
import type { Settle } from './waiters.ts';

/** What it works with. */
export interface SleepyParts {
  readonly options: SleepyOptions;
  readonly store: SleepyStore;
  /** What the store has kept. */
  readonly commands: Iterable<SleepyCommand>;
  /** What lasts counts by it (server/lifetime-clock.ts): whoever sets the wall clock lets no command expire, and keeps none. */
  readonly clock: WallClock;
  readonly timer: Pick<TickTimer, 'after'>;
  /** A representation, or a command, is another one. */
  readonly onChange: (device: string, what: { readonly path: string } | { readonly command: number }) => void;
  /** For the log. */
  readonly onError: (error: unknown) => void;
}

/** Representations of one device. */
const mostRepresentations = 64;
/** Bytes of a representation, or of the payload of a command. */
export const mostBytes: number = 64 * 1024;
/** Commands that have reached their end, of one device: for who asks what became of them. */
const mostEnded = 32;
/** Requests that wait for one device. */
const mostWaiting = 32;
/** Bytes of answers that are kept. */
const mostAnswerBytes = 1024;
/** Devices with something to be done. */
const mostDevices = 10_000;

/** What is shown of a device. */
export interface SleeperState {
  readonly heardAtMs: number | undefined;
  readonly isAwake: boolean;
  readonly commands: readonly SleepyCommand[];
}

/** See the file comment. */
export class SleepyDevices {
  readonly #parts: SleepyParts;
  readonly #sleepers = new Map<string, Sleeper>();
  #nextId = 1;
  #cancelExpiry: (() => void) | undefined;
  #isStopped = false;

  constructor(parts: SleepyParts) {
    this.#parts = parts;
    for (const command of parts.commands) {
      this.#nextId = Math.max(this.#nextId, command.id + 1);
      this.#sleeper(command.device).add(
        // What was on its way when the process ended.
        command.state === 'delivering' && isIdempotent(command) ? { ...command, state: 'queued' } : command,
      );
    }
    this.#watchExpiry();
  }

  /** What the store has of earlier ends is put right; call it once, before anything else. */
  async recover(): Promise<void> {
    for (const sleeper of this.#sleepers.values()) {
      for (const command of [...sleeper.commands])
        if (command.state === 'delivering') await this.#end(sleeper, command, 'unknown');
    }
  }

  /** A device was heard: it is awake, and can be asked. Call it when it has its answer. */
  heard(device: string, ask: AskDevice): void {
    // Of others nothing waits, and nothing is remembered.
    const sleeper = this.#sleepers.get(device);
    if (sleeper === undefined || this.#isStopped) return;
    sleeper.heardAtMs = this.#parts.clock();
    sleeper.ask = ask;
    void this.#attend(device, sleeper);
  }

  /** What is known of a device; undefined for one that nothing was kept of. */
  stateOf(device: string): SleeperState | undefined {
    const sleeper = this.#sleepers.get(device);
    if (sleeper === undefined) return undefined;
    const { heardAtMs, commands } = sleeper;
    return { heardAtMs, isAwake: this.#isAwake(sleeper), commands: [...commands] };
  }

  /** A device tells the state of one of its resources. Fulfils when it is durable. */
  async told(
    device: string,
    path: string,
    content: RepresentationContent,
    freshMs: number = this.#parts.options.freshMs,
  ): Promise<Representation> {
    const representation = representationOf(device, path, content, this.#parts.clock(), freshMs);
    // It is one of those that are known from now on.
    this.#sleeper(device);
    await this.#change([{ kind: 'representation', representation, most: mostRepresentations }]);
    this.#sleepers.get(device)?.wishes.settle(path, representation);
    this.#parts.onChange(device, { path });
    return representation;
  }

  /** The last representation, however old. */
  representation(device: string, path: string): Promise<Representation | undefined> {
    return this.#parts.store.representation(device, path);
  }

  /**
   * Asks the device for a path, with a query or without one, as soon as it is awake, and waits for that, within bounds.
   *
   * @returns a representation, an answer that is none, or undefined when the device did not come in time.
   */
  read(
    device: string,
    target: string,
    signal: AbortSignal,
  ): Promise<Representation | CommandAnswer | undefined> {
    const sleeper = this.#sleeper(device);
    if (sleeper.waiting >= mostWaiting || signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const settle = this.#within(signal, resolve, () => sleeper.wishes.remove(target, settle));
      sleeper.wishes.add(target, settle);
      void this.#attend(device, sleeper);
    });
  }

  /**
   * Takes a command. Fulfils when it is durable, with its number; undefined when too many wait for the device.
   *
   * @param replaces Whether those for the same target that change its state make way.
   */
  async command(
    given: Omit<SleepyCommand, 'id' | 'createdAtMs' | 'expiresAtMs' | 'state' | 'answer'>,
    replaces: boolean,
  ): Promise<SleepyCommand | undefined> {
    const { clock, options } = this.#parts;
    const sleeper = this.#sleeper(given.device);
    const replaced = replaces ? sleeper.commands.filter((other) => isReplaceable(other, given.target)) : [];
    const waiting = sleeper.commands.filter(isPending).length - replaced.length;
    if (waiting >= options.mostCommands) return undefined;
    const createdAtMs = clock();
    const command: SleepyCommand = {
      ...given,
      payload: given.payload.slice(),
      id: this.#nextId++,
      createdAtMs,
      expiresAtMs: createdAtMs + options.lifetimeMs,
      state: 'queued',
      answer: undefined,
    };
    // In its place before the store has it: those that come meanwhile are behind it.
    const ended = replaced.map((other): SleepyCommand => ({ ...other, state: 'replaced' }));
    for (const other of ended) sleeper.put(other);
    sleeper.add({ ...command, state: 'delivering' });
    try {
      await this.#change([...ended, command].map((one) => ({ kind: 'command', command: one })));
    } catch (error) {
      for (const other of replaced) sleeper.put(other);
      sleeper.drop(command.id);
      throw error;
    }
    sleeper.put(command);
    for (const other of ended) this.#told(sleeper, other);
    this.#watchExpiry();
    return command;
  }

  /** Waits, within bounds, until a command has reached its end; then as it is by that time. */
  async outcome({ device, id }: SleepyCommand, signal: AbortSignal): Promise<SleepyCommand | undefined> {
    const sleeper = this.#sleeper(device);
    void this.#attend(device, sleeper);
    const now = sleeper.find(id);
    if (now === undefined || !isPending(now) || sleeper.waiting >= mostWaiting || signal.aborted) return now;
    const ended = await new Promise<SleepyCommand | undefined>((resolve) => {
      const settle = this.#within(signal, resolve, () => sleeper.outcomes.remove(id, settle));
      sleeper.outcomes.add(id, settle);
    });
    return ended ?? sleeper.find(id);
  }

  find(device: string, id: number): SleepyCommand | undefined {
    return this.#sleepers.get(device)?.find(id);
  }

  /** Takes a command back. @returns whether it still waited. */
  async cancel(device: string, id: number): Promise<boolean> {
    const sleeper = this.#sleepers.get(device);
    const command = sleeper?.find(id);
    if (sleeper === undefined || command?.state !== 'queued') return false;
    await this.#end(sleeper, command, 'cancelled');
    return true;
  }

  /** Nothing more is sent, and nobody waits any more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelExpiry?.();
    for (const sleeper of this.#sleepers.values()) {
      for (const target of sleeper.wishes.keys()) sleeper.wishes.settle(target, undefined);
      for (const id of sleeper.outcomes.keys()) {
        const command = sleeper.find(id);
        if (command !== undefined) sleeper.outcomes.settle(id, command);
      }
    }
  }

  /** Sends what waits, one after the other, as long as the device is awake. */
  async #attend(device: string, sleeper: Sleeper): Promise<void> {
    if (sleeper.isBusy) return;
    sleeper.isBusy = true;
    try {
      while (!this.#isStopped && this.#isAwake(sleeper) && sleeper.ask !== undefined) {
        const command = sleeper.commands.find(({ state }) => state === 'queued');
        const [wished] = sleeper.wishes.keys();
        if (command !== undefined) {
          if (!(await this.#deliver(sleeper, command, sleeper.ask))) break;
        } else if (wished !== undefined) {
          if (!(await this.#fulfil(device, sleeper, wished, sleeper.ask))) break;
        } else break;
      }
    } catch (error) {
      this.#parts.onError(error);
    } finally {
      sleeper.isBusy = false;
    }
  }

  /** @returns whether the device is still there. */
  async #deliver(sleeper: Sleeper, queued: SleepyCommand, ask: AskDevice): Promise<boolean> {
    const { device, method, target } = queued;
    if (queued.expiresAtMs <= this.#parts.clock()) {
      await this.#end(sleeper, queued, 'expired');
      return true;
    }
    const command: SleepyCommand = { ...queued, state: 'delivering' };
    sleeper.put(command);
    // Known before it is sent, so that a crash does not make it twice; what may be twice need not be.
    if (!isIdempotent(queued)) {
      try {
        await this.#change([{ kind: 'command', command }]);
      } catch (error) {
        // It did not go, and waits as before.
        sleeper.put(queued);
        throw error;
      }
    }
    let response: Response;
    try {
      const { payload, contentFormat, ifMatch, ifNoneMatch } = command;
      response = await ask(method, target, {
        ...(payload.length > 0 && { payload }),
        ...(contentFormat !== undefined && { contentFormat }),
        ...(ifMatch.length > 0 && { ifMatch }),
        ifNoneMatch,
        timeoutMs: this.#parts.options.awakeMs,
      });
    } catch (error) {
      // It sleeps again, or is gone; or it has come back another way meanwhile.
      const isGone = sleeper.ask === ask;
      if (isGone) sleeper.ask = undefined;
      const mayBeTwice = isIdempotent(queued) || (error instanceof CoapsuleError && wasNeverSent(error));
      if (mayBeTwice) {
        const again: SleepyCommand = { ...command, state: 'queued' };
        sleeper.put(again);
        if (!isIdempotent(queued)) await this.#change([{ kind: 'command', command: again }]);
      } else await this.#end(sleeper, command, 'unknown');
      if (!(error instanceof CoapsuleError)) throw error;
      return !isGone;
    }
    sleeper.heardAtMs = this.#parts.clock();
    const { code, contentFormat } = response;
    const payload = response.payload.slice(0, mostAnswerBytes);
    await this.#end(sleeper, { ...command, answer: { code, payload, contentFormat } }, 'done');
    // What was known of the resource is not its state any more (RFC 7252 §5.9.1.4): it is asked for while the device listens.
    const path = pathOfTarget(target);
    if (response.ok && (await this.representation(device, path)) !== undefined)
      await this.#fulfil(device, sleeper, path, ask);
    return true;
  }

  /** Reads a path of the device, or one with a query, which is not kept. @returns whether it is still there. */
  async #fulfil(device: string, sleeper: Sleeper, target: string, ask: AskDevice): Promise<boolean> {
    const isKept = pathOfTarget(target) === target;
    let response: Response;
    try {
      response = await ask('GET', target, { timeoutMs: this.#parts.options.awakeMs });
    } catch (error) {
      const isGone = sleeper.ask === ask;
      if (isGone) sleeper.ask = undefined;
      if (!(error instanceof CoapsuleError)) throw error;
      return !isGone;
    }
    sleeper.heardAtMs = this.#parts.clock();
    const { code, contentFormat, payload } = response;
    if (code === Code.Content && payload.length <= mostBytes) {
      // RFC 7252 §5.10.5: 60 seconds where it says nothing.
      const freshMs = (response.options.uint(OptionNumber.MaxAge) ?? 60) * 1000;
      const told = { payload, contentFormat };
      if (isKept) await this.told(device, target, told, freshMs);
      else {
        const now = this.#parts.clock();
        sleeper.wishes.settle(target, representationOf(device, target, told, now, freshMs));
      }
      return true;
    }
    if (isKept) await this.#change([{ kind: 'no-representation', device, path: target }]);
    sleeper.wishes.settle(target, { code, payload: payload.slice(0, mostAnswerBytes), contentFormat });
    return true;
  }

  /** Ends a wait by what it waits for, by its time, or when nobody waits any more. */
  #within<T>(signal: AbortSignal, resolve: Settle<T>, forget: () => void): Settle<T> {
    const settle: Settle<T> = (outcome) => {
      cancel();
      signal.removeEventListener('abort', abandoned);
      forget();
      resolve(outcome);
    };
    const abandoned = (): void => settle(undefined);
    const cancel = this.#parts.timer.after(this.#parts.options.waitMs, abandoned);
    signal.addEventListener('abort', abandoned);
    return settle;
  }

  async #end(sleeper: Sleeper, command: SleepyCommand, state: SleepyCommand['state']): Promise<void> {
    const ended: SleepyCommand = { ...command, state };
    sleeper.put(ended);
    const old = sleeper.commands.filter((one) => !isPending(one)).slice(0, -mostEnded);
    for (const { id } of old) sleeper.drop(id);
    await this.#change([
      { kind: 'command', command: ended },
      ...(old.length === 0 ? [] : [{ kind: 'remove-commands' as const, ids: old.map(({ id }) => id) }]),
    ]);
    this.#told(sleeper, ended);
  }

  #told(sleeper: Sleeper, ended: SleepyCommand): void {
    sleeper.outcomes.settle(ended.id, ended);
    this.#parts.onChange(ended.device, { command: ended.id });
  }

  #isAwake({ heardAtMs }: Sleeper): boolean {
    return heardAtMs !== undefined && this.#parts.clock() - heardAtMs < this.#parts.options.awakeMs;
  }

  #change(changes: readonly SleepyChange[]): Promise<void> {
    return this.#parts.store.changeSleepy(changes);
  }

  /** Commands end by their time also where their device never comes. */
  #watchExpiry(): void {
    this.#cancelExpiry?.();
    this.#cancelExpiry = undefined;
    if (this.#isStopped) return;
    let dueAtMs = Number.POSITIVE_INFINITY;
    for (const { commands } of this.#sleepers.values()) {
      for (const command of commands)
        if (command.state === 'queued') dueAtMs = Math.min(dueAtMs, command.expiresAtMs);
    }
    if (dueAtMs === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(0, dueAtMs - this.#parts.clock()), longestTimerMs);
    this.#cancelExpiry = this.#parts.timer.after(delay, () => void this.#expire());
  }

  async #expire(): Promise<void> {
    const now = this.#parts.clock();
    try {
      for (const sleeper of this.#sleepers.values()) {
        for (const command of [...sleeper.commands])
          if (command.state === 'queued' && command.expiresAtMs <= now)
            await this.#end(sleeper, command, 'expired');
      }
    } catch (error) {
      this.#parts.onError(error);
    }
    this.#watchExpiry();
  }

  #sleeper(device: string): Sleeper {
    const known = this.#sleepers.get(device);
    if (known !== undefined) return known;
    // Before the new one is there, which nothing waits for yet: forgotten at once, it would never get what is given for it.
    if (this.#sleepers.size >= mostDevices) this.#forgetOne();
    const sleeper = new Sleeper();
    this.#sleepers.set(device, sleeper);
    return sleeper;
  }

  /** The one that is there longest of those that nothing waits for. */
  #forgetOne(): void {
    for (const [device, sleeper] of this.#sleepers) {
      if (!sleeper.isIdle) continue;
      this.#sleepers.delete(device);
      return;
    }
  }
}

/**
 * Nothing left the gateway. Of an association that has ended nobody knows whether that was before or after the request.
 */
function wasNeverSent({ code, mayHaveBeenCarriedOut }: CoapsuleError): boolean {
  return code === 'ERR_BUSY' || mayHaveBeenCarriedOut === false;
}
