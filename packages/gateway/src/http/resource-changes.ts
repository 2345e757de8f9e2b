/**
 * The changes of one resource of the gateway, for somebody who reads it each time that it has changed.
 */
import type { Server } from 'coapsule';

/** See the file comment. */
export class ResourceChanges {
  readonly #endWatch: () => void;
  #isStale = false;
  #waiting: (() => void) | undefined;

  /** @param name As `Server.watch` has it. */
  constructor(server: Pick<Server, 'watch'>, name: string) {
    this.#endWatch = server.watch((changed) => {
      if (changed !== name) return;
      this.#isStale = true;
      this.wake();
    });
  }

  /** Who waits goes on. */
  wake(): void {
    this.#waiting?.();
  }

  /** Whether it has changed since it was asked last; waits for that so long at most. */
  async next(longestMs: number): Promise<boolean> {
    if (!this.#isStale) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, longestMs);
        this.#waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#waiting = undefined;
    }
    const isChanged = this.#isStale;
    this.#isStale = false;
    return isChanged;
  }

  end(): void {
    this.#endWatch();
  }
}
