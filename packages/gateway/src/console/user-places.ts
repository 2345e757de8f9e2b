/**
 * How much is done at a time, and of it for one user: clients of the explorer, of which a server that does not answer holds one until
 * its time is over, and bodies that are read.
 */
import { ApiFailure } from './api-failure.ts';
import type { SessionUser } from './sessions.ts';

const most = { all: 32, perUser: 8 } as const;

/** See the module comment. */
export class UserPlaces {
  readonly #ofUser = new Map<string, number>();
  #all = 0;

  /** @throws ApiFailure `busy`. @returns what gives the place back. */
  take({ name }: SessionUser): () => void {
    const own = this.#ofUser.get(name) ?? 0;
    if (this.#all >= most.all || own >= most.perUser)
      throw new ApiFailure('busy', 'too many requests are under way', 'wait for one of them', 5);
    this.#all++;
    this.#ofUser.set(name, own + 1);
    return () => {
      this.#all--;
      const left = (this.#ofUser.get(name) ?? 1) - 1;
      if (left === 0) this.#ofUser.delete(name);
      else this.#ofUser.set(name, left);
    };
  }
}
