/**
 * The state of a resource that is one short text: in memory, or in the store, where it outlives the process.
 */
import type { KeptState } from '../store/state-table.ts';
import type { Store } from '../store/store.ts';

/** Where states are kept. */
export type StateStore = Pick<Store, 'changeStates'>;

/** A text that changes, one change after the other. */
export class KeptText {
  readonly #save: (text: string) => Promise<void>;
  #text: string;
  #last: Promise<unknown> = Promise.resolve();

  /** One that begins anew with each process. */
  static inMemory(text: string): KeptText {
    return new KeptText(text, () => Promise.resolve());
  }

  /**
   * One that is in the store under a name.
   *
   * @param states what the store had when the gateway began.
   * @param initial until it is changed for the first time.
   */
  static inStore(store: StateStore, states: readonly KeptState[], name: string, initial: string): KeptText {
    const value = states.find((state) => state.name === name)?.value;
    return new KeptText(value === undefined ? initial : new TextDecoder().decode(value), (text) =>
      store.changeStates({
        put: [{ name, value: new TextEncoder().encode(text), contentFormat: undefined }],
      }),
    );
  }

  private constructor(text: string, save: (text: string) => Promise<void>) {
    this.#text = text;
    this.#save = save;
  }

  get text(): string {
    return this.#text;
  }

  /**
   * Make the next text of the present one, when the changes before are done. Fulfils when it is kept; what `next` throws, or the
   * store, leaves it as it was.
   */
  change(next: (text: string) => string): Promise<void> {
    const changing = this.#last.then(async () => {
      const text = next(this.#text);
      if (text === this.#text) return;
      await this.#save(text);
      this.#text = text;
    });
    this.#last = changing.catch(() => {});
    return changing;
  }
}
