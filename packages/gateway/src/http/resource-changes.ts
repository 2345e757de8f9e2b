/**
 * The changes of one resource, of the gateway or of another server behind it, for somebody who reads it each time that it
 * has changed.
 */
import type { LocalObserver, Server } from 'coapsule';

/** See the file comment. */
export class ResourceChanges {
  readonly #endWatch: () => void;
  readonly #ended = new AbortController();
  #isStale = false;
  #waiting: (() => void) | undefined;
  /** Whether nobody tells of its changes: then it is not worth waiting. */
  isOver = false;

  /** @param name As `Server.watch` has it; undefined for one of another server. */
  constructor(server: Pick<Server, 'watch'>, name: string | undefined) {
    this.#endWatch =
      name === undefined
        ? () => {}
        : server.watch((changed) => {
            if (changed === name) this.#changed();
          });
  }

  /** For the requests that read it. @param isWatched Whether changes are told in another way too. */
  observer(isWatched: boolean): LocalObserver {
    return {
      changed: () => this.#changed(),
      over: () => {
        this.isOver = !isWatched;
        this.wake();
      },
      ended: this.#ended.signal,
    };
  }

  /** Who waits goes on. */
  wake(): void {
    this.#waiting?.();
  }

  /** Whether it has changed since it was asked last; waits for that so long at most. */
  async next(longestMs: number): Promise<boolean> {
    if (!this.#isStale && !this.isOver) {
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
    this.#ended.abort();
  }

  #changed(): void {
    this.#isStale = true;
    this.wake();
  }
}
