/**
 * One device that sleeps, as the gateway knows it now: its commands in their order, who waits for it, and how it can be asked.
 *
 * Only what is in memory: when what is sent, and what the store is told of it, is sleepy-devices.ts.
 */
import type { Method, Response, ReversedRequestOptions } from 'coapsule';
import type { CommandAnswer, Representation, SleepyCommand } from './sleepy-command.ts';
import { Waiters } from './waiters.ts';

/** Asks a device that was heard (`Request.ask`). */
export type AskDevice = (method: Method, path: string, options: ReversedRequestOptions) => Promise<Response>;

/** See the file comment. */
export class Sleeper {
  readonly #commands: SleepyCommand[] = [];
  /** Reads that the device is to be asked for when it is awake: by target, with the query if there is one. */
  readonly wishes: Waiters<string, Representation | CommandAnswer> = new Waiters();
  /** For the end of a command, by its number. */
  readonly outcomes: Waiters<number, SleepyCommand> = new Waiters();
  heardAtMs: number | undefined;
  ask: AskDevice | undefined;
  /** Whether it is being asked. */
  isBusy = false;

  /** In the order in which they came. */
  get commands(): readonly SleepyCommand[] {
    return this.#commands;
  }

  /** Requests that wait for it. */
  get waiting(): number {
    return this.wishes.size + this.outcomes.size;
  }

  /** Whether nothing would be missed if it were forgotten. */
  get isIdle(): boolean {
    return !this.isBusy && this.#commands.length === 0 && this.waiting === 0;
  }

  find(id: number): SleepyCommand | undefined {
    return this.#commands.find((command) => command.id === id);
  }

  /** Behind all that there are. */
  add(command: SleepyCommand): void {
    this.#commands.push(command);
  }

  /** In place of the one with the same number, if that is still there. */
  put(command: SleepyCommand): void {
    const index = this.#indexOf(command.id);
    if (index >= 0) this.#commands[index] = command;
  }

  drop(id: number): void {
    const index = this.#indexOf(id);
    if (index >= 0) this.#commands.splice(index, 1);
  }

  #indexOf(id: number): number {
    return this.#commands.findIndex((command) => command.id === id);
  }
}
