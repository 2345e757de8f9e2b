/** Time that passes when it is told to. */
import type { TickTimer } from '../../src/resources/periodic-tick.ts';

/** See the module comment. */
export class ManualTimer implements TickTimer {
  #now = 0;
  #due: { at: number; action: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(delayMs: number, action: () => void): () => void {
    const entry = { at: this.#now + delayMs, action };
    this.#due.push(entry);
    return () => {
      this.#due = this.#due.filter((other) => other !== entry);
    };
  }

  advance(durationMs: number): void {
    const end = this.#now + durationMs;
    for (;;) {
      const [next] = this.#due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#due = this.#due.filter((other) => other !== next);
      this.#now = next.at;
      next.action();
    }
    this.#now = end;
  }
}
