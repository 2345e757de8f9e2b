/** Where tests keep the state of a Security Context. */
import type { OscoreState, OscoreStore } from '../../src/index.ts';

/** A store in memory, as it would be on disk. */
export class Memory implements OscoreStore {
  state: OscoreState | undefined;
  fails = false;

  async load(): Promise<OscoreState | undefined> {
    return this.state;
  }

  async save(state: OscoreState): Promise<void> {
    if (this.fails) throw new Error('disk full');
    this.state = state;
  }
}
