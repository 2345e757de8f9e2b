/**
 * The states of resources that go to the message broker: whenever one changes, the latest is read and published.
 *
 * A state that changes faster than it can be published is published as it is then: those in between are left out.
 */
import type { Response } from 'coapsule';

/** What the states work with. */
export interface ObservedStatesParts {
  readonly paths: readonly string[];
  readonly read: (path: string) => Promise<Response>;
  readonly publish: (path: string, response: Response) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** See the module comment. */
export class ObservedStates {
  readonly #parts: ObservedStatesParts;
  readonly #atWork = new Set<string>();
  readonly #stale = new Set<string>();

  constructor(parts: ObservedStatesParts) {
    this.#parts = parts;
  }

  /** The broker is there, and may have old states, or none. */
  publishAll(): void {
    for (const path of this.#parts.paths) this.changed(path);
  }

  changed(path: string): void {
    if (!this.#parts.paths.includes(path)) return;
    this.#stale.add(path);
    if (!this.#atWork.has(path)) void this.#publish(path);
  }

  async #publish(path: string): Promise<void> {
    const { read, publish, onError } = this.#parts;
    this.#atWork.add(path);
    try {
      while (this.#stale.delete(path)) {
        const response = await read(path);
        if (!response.ok)
          throw new Error(`${path} cannot be read: ${response.codeText} ${response.diagnostic ?? ''}`);
        await publish(path, response);
      }
    } catch (error) {
      onError(error);
    } finally {
      this.#atWork.delete(path);
    }
  }
}
