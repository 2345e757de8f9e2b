/** A timer whose time the test tells, and which can be late. */
import type { TickTimer } from '../src/resources/periodic-tick.ts';

interface Planned {
  readonly at: number;
  readonly action: () => void;
}

/** See the module comment. */
export class VirtualTimer implements TickTimer {
  #now = 0;
  #planned: Planned[] = [];

  now(): number {
    return this.#now;
  }

  after(delayMs: number, action: () => void): () => void {
    const planned = { at: this.#now + delayMs, action };
    this.#planned.push(planned);
    return () => {
      this.#planned = this.#planned.filter((one) => one !== planned);
    };
  }

  /** Time goes on; what is due in it runs at its time. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const next = this.#planned.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      this.#run(next);
    }
    this.#now = until;
  }

  /** The event loop is busy for so long: all that was due in it runs at its end. */
  block(ms: number): void {
    this.#now += ms;
    for (const planned of this.#planned.filter(({ at }) => at <= this.#now)) this.#run(planned);
  }

  #run(planned: Planned): void {
    this.#planned = this.#planned.filter((one) => one !== planned);
    planned.action();
  }
}
