/**
 * The registrations of all gateways for the Resource Directory of this one: what is registered here is in Redis first, then in the data
 * folder; what others have registered follows.
 *
 * While Redis is away nothing is registered, since others could not find it, and what was registered is found on. What has a base on a
 * link of this gateway stays here: others have other links (RFC 9176 §6.1).
 */
import type { Registration } from '../directory/registration.ts';
import type { ResourceDirectory } from '../directory/resource-directory.ts';
import type { RegistrationKeeping } from '../keeping/registrations.ts';
import { encodeValue } from './value-text.ts';

/** What they work with. */
export interface SharedRegistrationsParts {
  readonly store: RegistrationKeeping;
  readonly remote: RegistrationKeeping & {
    registration(id: string): Promise<Registration | undefined>;
  };
}

type DirectoryStore = Pick<RegistrationKeeping, 'keepRegistration' | 'removeRegistrations'>;

/** See the module comment. */
export class SharedRegistrations implements DirectoryStore {
  readonly #parts: SharedRegistrationsParts;

  constructor(parts: SharedRegistrationsParts) {
    this.#parts = parts;
  }

  async keepRegistration(registration: Registration): Promise<void> {
    const { store, remote } = this.#parts;
    if (isShared(registration)) await remote.keepRegistration(registration);
    else await remote.removeRegistrations([registration.id]);
    await store.keepRegistration(registration);
  }

  async removeRegistrations(ids: readonly string[]): Promise<void> {
    await this.#parts.remote.removeRegistrations(ids);
    await this.#parts.store.removeRegistrations(ids);
  }

  /**
   * Compares all.
   *
   * @param isWhole Whether Redis has all that it has ever had: what is not there was removed. After a loss, of two of the same endpoint
   *        the later one counts, and what is not there is registered again.
   */
  async compare(directory: ResourceDirectory, isWhole: boolean): Promise<number> {
    const { store, remote } = this.#parts;
    const theirs = new Map((await remote.registrations()).map((one) => [one.id, one]));
    const ours = new Map((await store.registrations()).map((one) => [one.id, one]));
    for (const id of new Set([...theirs.keys(), ...ours.keys()])) {
      const [known, is] = [ours.get(id), theirs.get(id)];
      if (known !== undefined && is !== undefined && encodeValue(known) === encodeValue(is)) continue;
      if (isWhole) await this.take(directory, id);
      else await this.#bringTogether(directory, id);
    }
    return theirs.size;
  }

  /** Somebody has changed it. */
  async take(directory: ResourceDirectory, id: string): Promise<void> {
    const { store, remote } = this.#parts;
    await directory.settle(id, store, async (known) => {
      const is = await remote.registration(id);
      return is === undefined && known !== undefined && !isShared(known) ? known : is;
    });
  }

  async #bringTogether(directory: ResourceDirectory, id: string): Promise<void> {
    const { store, remote } = this.#parts;
    await directory.settle(id, store, async (known) => {
      const is = await remote.registration(id);
      if (known === undefined || !isShared(known)) return known ?? is;
      if (is !== undefined && madeAtMs(is) >= madeAtMs(known)) return is;
      await remote.keepRegistration(known);
      return known;
    });
  }
}

function isShared({ base }: Registration): boolean {
  return base.zone === undefined;
}

/** When it was made or refreshed last, by the clock of the gateway that did it. */
function madeAtMs({ expiresAtMs, lifetimeSeconds }: Registration): number {
  return expiresAtMs - lifetimeSeconds * 1000;
}
