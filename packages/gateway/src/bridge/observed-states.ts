/**
 * The states of resources that go to the message broker: whenever one changes, the latest is read and published.
 *
 * A state that changes faster than it can be published is published as it is then: those in between are left out. One that
 * could not be read or published is tried again.
 */
import type { Response } from 'coapsule';
import type { TickTimer } from '../resources/periodic-tick.ts';
import { resourcePath } from '../text/resource-path.ts';

/** What the states work with. */
export interface ObservedStatesParts {
  readonly paths: readonly string[];
  readonly read: (path: string) => Promise<Response>;
  readonly publish: (path: string, response: Response) => Promise<void>;
  readonly timer: TickTimer;
  readonly onError: (error: unknown) => void;
}

const retryMs = 1000;

/** See the module comment. */
export class ObservedStates {
  readonly #parts: ObservedStatesParts;
  /** As they are asked for, by what the library calls them. */
  readonly #paths: ReadonlyMap<string, string>;
  readonly #atWork = new Set<string>();
  readonly #stale = new Set<string>();
  #isStopped = false;

  constructor(parts: ObservedStatesParts) {
    this.#parts = parts;
    this.#paths = new Map(parts.paths.map((path) => [resourcePath(path) ?? path, path]));
  }

  /** The broker is there, and may have old states, or none. */
  publishAll(): void {
    for (const name of this.#paths.keys()) this.changed(name);
  }

  /** @param name As `Server.watch` has it. */
  changed(name: string): void {
    if (!this.#paths.has(name) || this.#isStopped) return;
    this.#stale.add(name);
    if (!this.#atWork.has(name)) void this.#publish(name);
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #publish(name: string): Promise<void> {
    const { read, publish, timer, onError } = this.#parts;
    const path = this.#paths.get(name) ?? name;
    this.#atWork.add(name);
    try {
      while (this.#stale.delete(name)) {
        const response = await read(path);
        if (!response.ok)
          throw new Error(`${path} cannot be read: ${response.codeText} ${response.diagnostic ?? ''}`);
        await publish(path, response);
      }
    } catch (error) {
      onError(error);
      timer.after(retryMs, () => this.changed(name));
    } finally {
      this.#atWork.delete(name);
    }
  }
}
